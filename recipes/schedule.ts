/**
 * A learning rate that stays for the first half and then follows half a cosine down to zero (Loshchilov and Hutter,
 * "SGDR", 2017, without restarts): the second half lets the weights settle. `count`: epochs or steps in all; `done`:
 * those that are done.
 */
export const holdThenCosine =
  ({ count, learningRate }: { readonly count: number; readonly learningRate: number }) =>
  (done: number): number => {
    const decay = Math.max(0, (2 * done) / count - 1);
    return 0.5 * learningRate * (1 + Math.cos(Math.PI * decay));
  };
