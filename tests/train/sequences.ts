import {
  type Backend,
  layers,
  optimizers,
  type Sequential,
  sequential,
  Tensor,
  tensor,
} from "../../src/index.js";
import { uniform } from "../golden/load.js";

/** Steps, features and classes of the sequences that the contracts train on. */
export const [T, D, C] = [5, 3, 4];

/** N sequences whose class is that of the largest sum over time; values follow from the seed. */
export function sequences(N: number, seed = 1) {
  const x = new Tensor(uniform(seed, N * T * D), [N, T, D], "float32");
  const labels = Int32Array.from({ length: N }, (_, n) => {
    const total = (d: number) =>
      Array.from({ length: T }, (_, t) => x.data[(n * T + t) * D + d] ?? 0).reduce((a, b) => a + b, 0);
    return [0, 1, 2].reduce((best, d) => (total(d) > total(best) ? d : best), 0);
  });
  return { x, labels: tensor(labels) };
}

/** Whether any value differs. */
export const changed = (a: readonly Tensor[], b: readonly Tensor[]) =>
  a.some((w, i) => w.data.some((value, k) => !Object.is(value, b[i]?.data[k])));

/** A model of every kind of step: an LSTM, dropout, a GRU, Dense; compiled. */
export function classifier(
  backend: Backend,
  seed = 3,
  optimizer = optimizers.adam({ learningRate: 0.01 }),
): Sequential {
  const model = sequential(
    [
      layers.lstm({ units: 6, inputShape: [T, D], returnSequences: true }),
      layers.dropout({ rate: 0.2 }),
      layers.gru({ units: 5 }),
      layers.dense({ units: C, activation: "softmax" }),
    ],
    { seed, backend },
  );
  model.compile({ optimizer, loss: "sparseCategoricalCrossentropy", metrics: ["accuracy"] });
  return model;
}
