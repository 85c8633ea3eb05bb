/** Half a cosine from the learning rate down to zero over all epochs (Loshchilov and Hutter, "SGDR", 2017, without restarts). */
export const cosineTo =
  ({ epochs, learningRate }: { readonly epochs: number; readonly learningRate: number }) =>
  (epoch: number): number =>
    0.5 * learningRate * (1 + Math.cos((Math.PI * epoch) / epochs));
