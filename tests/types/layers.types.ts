// Checked by the compiler alone: an expectation of an error that does not come is an error itself.
import {
  type CheckedLayers,
  type Layer,
  Layer as LayerClass,
  layers,
  type OutputOf,
  type ShapeError,
  type ShapeRule,
} from "../../src/layers/index.js";

declare function stack<const L extends readonly Layer[]>(list: CheckedLayers<L>): void;
declare const size: number;
declare const flag: boolean;
declare const list: Layer[];

type Equal<A, B> = (<X>() => X extends A ? 1 : 2) extends <X>() => X extends B ? 1 : 2 ? true : false;
type OutputOfLayer<L extends Layer, In extends readonly number[]> = OutputOf<L["~rule"], In>;
function expectTrue<T extends true>(): T | undefined {
  return undefined;
}

const { lstm, gru, dense, simpleRNN, bidirectional, flatten, reshape, dropout, masking, rnn, input } = layers;

// ---- What fits
stack([
  lstm({ units: 64, inputShape: [28, 28], returnSequences: true }),
  lstm({ units: 32 }),
  dense({ units: 10, activation: "softmax" }),
]);
stack([bidirectional({ layer: lstm({ units: 64 }), inputShape: [28, 28] }), dense({ units: 10 })]);
stack([
  bidirectional({ layer: gru({ units: 4, inputShape: [28, 28], returnSequences: true }) }),
  gru({ units: 3 }),
]);
stack([
  masking({ inputShape: [null, 24] }),
  simpleRNN({ units: 3 }),
  dropout({ rate: 0.5 }),
  dense({ units: 1 }),
]);
stack([input({ shape: [28, 28] }), flatten(), dense({ units: 10 })]);
stack([reshape({ targetShape: [7, -1], inputShape: [28, 28] }), lstm({ units: 3 })]);
stack([lstm({ units: 3 }), dense({ units: 1 })]);
stack([
  rnn({ cell: layers.lstmCell({ units: 3 }), inputShape: [5, 2], returnSequences: true }),
  lstm({ units: 3 }),
]);

// ---- The error stands on the layer that does not fit
stack([
  lstm({ units: 64, inputShape: [28, 28] }),
  // @ts-expect-error lstm needs [batch, time, features]
  lstm({ units: 32 }),
  dense({ units: 10, activation: "softmax" }),
]);
stack([
  lstm({ units: 64 }),
  // @ts-expect-error simpleRNN needs [batch, time, features]
  simpleRNN({ units: 32 }),
]);
stack([
  input({ shape: [28] }),
  // @ts-expect-error gru needs [batch, time, features]
  gru({ units: 32 }),
]);
stack([
  flatten({ inputShape: [28, 28] }),
  dropout({ rate: 0.1 }),
  // @ts-expect-error bidirectional's lstm needs [batch, time, features]
  bidirectional({ layer: lstm({ units: 32 }) }),
]);
stack([
  bidirectional({ layer: lstm({ units: 32 }), inputShape: [28, 28] }),
  // @ts-expect-error rnn needs [batch, time, features]
  rnn({ cell: layers.gruCell({ units: 2 }) }),
]);
stack([
  lstm({ units: 64, inputShape: [28, 28], returnSequences: true }),
  // @ts-expect-error inputShape differs from the output of the layer before
  lstm({ units: 32, inputShape: [28, 63] }),
]);
stack([
  dense({ units: 64, inputShape: [28] }),
  // @ts-expect-error masking needs [batch, time, features]
  masking(),
]);
stack([
  // @ts-expect-error lstm needs one axis of features
  lstm({ units: 64, inputShape: [28, 28, 1] }),
]);

// ---- What the types do not know is never an error
stack([lstm({ units: size, inputShape: [size, size], returnSequences: flag }), lstm({ units: 3 })]);
stack([dense({ units: size, inputShape: [28, 28] }), lstm({ units: 3, inputShape: [28, 5] })]);
stack(list);
stack([...list, lstm({ units: 3 })]);

// ---- Rules, evaluated
expectTrue<Equal<OutputOfLayer<ReturnType<typeof lstm<64, true>>, readonly [28, 28]>, [28, 64]>>();
expectTrue<Equal<OutputOfLayer<ReturnType<typeof lstm<64, false>>, readonly [28, 28]>, [64]>>();
expectTrue<Equal<OutputOfLayer<ReturnType<typeof dense<10>>, readonly [28, 5]>, [28, 10]>>();
const both = bidirectional({ layer: lstm({ units: 4, returnSequences: true }), mergeMode: "sum" });
expectTrue<Equal<OutputOfLayer<typeof both, readonly [28, 5]>, [28, 4]>>();

// ---- Options
// @ts-expect-error misspelt
lstm({ units: 64, returnSequence: true });
// @ts-expect-error Python's spelling
lstm({ units: 64, return_sequences: true });
// @ts-expect-error units are needed
lstm({ returnSequences: true });
// @ts-expect-error misspelt activation
dense({ units: 10, activation: "sofmax" });
// @ts-expect-error misspelt initializer
dense({ units: 10, kernelInitializer: "glorotUnifrom" });
// @ts-expect-error elu has alpha
dense({ units: 10, activation: { name: "elu", beta: 1 } });
// @ts-expect-error threshold needs its parameters
dense({ units: 10, activation: "threshold" });
// @ts-expect-error misspelt merge mode
bidirectional({ layer: lstm({ units: 4 }), mergeMode: "average" });
// @ts-expect-error a cell has no returnSequences
layers.lstmCell({ units: 4, returnSequences: true });
dense({ units: 10, activation: { name: "elu", alpha: 0.5 } });
dense({ units: 10, activation: (x) => x });

// ---- A layer of one's own brings its own rule
interface LastStepRule extends ShapeRule {
  readonly out: this["in"] extends readonly [number, infer D extends number]
    ? [D]
    : ShapeError<"lastStep needs [batch, time, features]">;
}
declare class LastStep extends LayerClass<LastStepRule> {
  constructor();
  override call: Layer["call"];
}
stack([
  lstm({ units: 64, inputShape: [28, 28], returnSequences: true }),
  new LastStep(),
  dense({ units: 1 }),
]);
stack([
  lstm({ units: 64, inputShape: [28, 28] }),
  // @ts-expect-error lastStep needs [batch, time, features]
  new LastStep(),
]);
stack([
  lstm({ units: 64, inputShape: [28, 28], returnSequences: true }),
  new LastStep(),
  // @ts-expect-error lstm needs [batch, time, features]
  lstm({ units: 1 }),
]);
