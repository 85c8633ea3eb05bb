/**
 * A learning rate that stays for the first half and then follows half a cosine down to zero (Loshchilov and Hutter,
 * "SGDR", 2017, without restarts): the second half lets the weights settle.
 */
export const holdThenCosine =
  ({ epochs, learningRate }: { readonly epochs: number; readonly learningRate: number }) =>
  (epoch: number): number => {
    const decay = Math.max(0, (2 * epoch) / epochs - 1);
    return 0.5 * learningRate * (1 + Math.cos(Math.PI * decay));
  };
