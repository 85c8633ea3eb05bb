import {
  activations,
  type InputShape,
  Layer,
  layers,
  type ShapeError,
  type ShapeRule,
  type SymbolicTensor,
  sequential,
} from "rondo";
import { describe, expectTypeOf, it } from "vitest";
import type { Inputs } from "../../src/layers/layer.js";
import type { NeedsTime, OutputOf } from "../../src/layers/types.js";

declare const x: SymbolicTensor;
declare const size: number;
declare const flag: boolean;
declare const list: Layer[];
declare class LastStep extends Layer<LastStepRule> {
  constructor();
  override call([x]: Inputs): SymbolicTensor;
}
/** A layer without a rule. */
declare class Plain extends Layer {
  constructor();
  override call([x]: Inputs): SymbolicTensor;
}
interface LastStepRule extends ShapeRule {
  readonly out: this["in"] extends readonly [number, infer D extends number]
    ? [D]
    : ShapeError<"lastStep needs [batch, time, features]">;
}

const {
  lstm,
  gru,
  dense,
  simpleRNN,
  bidirectional,
  flatten,
  reshape,
  dropout,
  masking,
  rnn,
  inputLayer: input,
} = layers;

describe("a list of layers", () => {
  it("is taken where every layer fits the one before", () => {
    sequential([
      lstm({ units: 64, inputShape: [28, 28], returnSequences: true }),
      lstm({ units: 32 }),
      dense({ units: 10, activation: "softmax" }),
    ]);
    sequential([bidirectional({ layer: lstm({ units: 64 }), inputShape: [28, 28] }), dense({ units: 10 })]);
    sequential([
      bidirectional({ layer: gru({ units: 4, returnSequences: true }), inputShape: [28, 28] }),
      gru({ units: 3 }),
    ]);
    sequential([
      masking({ inputShape: [null, 24] }),
      simpleRNN({ units: 3 }),
      dropout({ rate: 0.5 }),
      dense({ units: 1 }),
    ]);
    sequential([input({ shape: [28, 28] }), flatten(), dense({ units: 10 })]);
    sequential([reshape({ targetShape: [7, -1], inputShape: [28, 28] }), lstm({ units: 3 })]);
    sequential([lstm({ units: 3 }), dense({ units: 1 })]);
    sequential([
      rnn({ cell: layers.lstmCell({ units: 3 }), inputShape: [5, 2], returnSequences: true }),
      lstm({ units: 3 }),
    ]);
    sequential([
      lstm({ units: 64, inputShape: [28, 28], returnSequences: true }),
      new LastStep(),
      dense({ units: 1 }),
    ]);
  });

  it("is an error on the layer that does not fit", () => {
    sequential([
      lstm({ units: 64, inputShape: [28, 28] }),
      // @ts-expect-error lstm needs [batch, time, features]; set returnSequences: true on the layer before
      lstm({ units: 32 }),
      dense({ units: 10, activation: "softmax" }),
    ]);
    sequential([
      lstm({ units: 64 }),
      // @ts-expect-error simpleRNN needs [batch, time, features]
      simpleRNN({ units: 32 }),
    ]);
    sequential([
      input({ shape: [28] }),
      // @ts-expect-error gru needs [batch, time, features]
      gru({ units: 32 }),
    ]);
    sequential([
      flatten({ inputShape: [28, 28] }),
      dropout({ rate: 0.1 }),
      // @ts-expect-error the lstm inside needs [batch, time, features]
      bidirectional({ layer: lstm({ units: 32 }) }),
    ]);
    sequential([
      bidirectional({ layer: lstm({ units: 32 }), inputShape: [28, 28] }),
      // @ts-expect-error rnn needs [batch, time, features]
      rnn({ cell: layers.gruCell({ units: 2 }) }),
    ]);
    sequential([
      dense({ units: 64, inputShape: [28] }),
      // @ts-expect-error masking needs [batch, time, features]
      masking(),
    ]);
    sequential([
      // @ts-expect-error lstm needs one axis of features
      lstm({ units: 64, inputShape: [28, 28, 1] }),
    ]);
    sequential([
      lstm({ units: 64, inputShape: [28, 28] }),
      // @ts-expect-error lastStep needs [batch, time, features]
      new LastStep(),
    ]);
    sequential([
      lstm({ units: 64, inputShape: [28, 28], returnSequences: true }),
      new LastStep(),
      // @ts-expect-error lstm needs [batch, time, features]
      lstm({ units: 1 }),
    ]);
  });

  it("is an error where literal sizes differ", () => {
    sequential([
      lstm({ units: 64, inputShape: [28, 28], returnSequences: true }),
      lstm({ units: 32, inputShape: [28, 64] }),
    ]);
    sequential([
      lstm({ units: 64, inputShape: [28, 28], returnSequences: true }),
      // @ts-expect-error inputShape differs from the output of the layer before
      lstm({ units: 32, inputShape: [28, 63] }),
    ]);
  });

  it("is never an error where the types know nothing", () => {
    sequential([lstm({ units: size, inputShape: [size, size], returnSequences: flag }), lstm({ units: 3 })]);
    sequential([dense({ units: size, inputShape: [28, 28] }), lstm({ units: 3, inputShape: [28, 5] })]);
    sequential([dense({ units: 3, inputShape: [28] }), new Plain(), lstm({ units: 3 })]);
    sequential([
      new Plain(),
      lstm({ units: 3 }),
      // @ts-expect-error after the lstm the shape is known again
      lstm({ units: 3 }),
    ]);
    sequential([new Plain(), new LastStep()]);
    sequential(list);
    sequential([...list, lstm({ units: 3 })]);
  });
});

describe("a layer's rule", () => {
  it("gives the output shape", () => {
    const sequences = lstm({ units: 64, returnSequences: true });
    const last = lstm({ units: 64 });
    const out = dense({ units: 10 });
    const both = bidirectional({ layer: lstm({ units: 4, returnSequences: true }), mergeMode: "sum" });
    expectTypeOf<OutputOf<(typeof sequences)["~rule"], readonly [28, 28]>>().toEqualTypeOf<[28, 64]>();
    expectTypeOf<OutputOf<(typeof last)["~rule"], readonly [28, 28]>>().toEqualTypeOf<[64]>();
    expectTypeOf<OutputOf<(typeof out)["~rule"], readonly [28, 5]>>().toEqualTypeOf<[28, 10]>();
    expectTypeOf<OutputOf<(typeof both)["~rule"], readonly [28, 5]>>().toEqualTypeOf<[28, 4]>();
  });
});

describe("a layer over time without a time axis", () => {
  type Message<L extends { readonly "~rule": ShapeRule }> = OutputOf<L["~rule"], readonly [4]>;

  it("is told about its own inputShape where it has one, else about the layer before", () => {
    const first = gru({ units: 3, inputShape: [4] });
    const later = gru({ units: 3 });
    expectTypeOf<Message<typeof first>>().toEqualTypeOf<
      ShapeError<"gru needs [batch, time, features]; set inputShape to [time, features]">
    >();
    expectTypeOf<Message<typeof later>>().toEqualTypeOf<
      ShapeError<"gru needs [batch, time, features]; set returnSequences: true on the layer before">
    >();
    const own = rnn({ cell: layers.gruCell({ units: 2 }), inputShape: [4] });
    expectTypeOf<Message<typeof own>>().toEqualTypeOf<
      ShapeError<"rnn needs [batch, time, features]; set inputShape to [time, features]">
    >();
    const both = bidirectional({ layer: lstm({ units: 3 }), inputShape: [4] });
    expectTypeOf<Message<typeof both>>().toEqualTypeOf<
      ShapeError<"bidirectional needs [batch, time, features]; set inputShape to [time, features]">
    >();
    // In a list the compiler may not know whether a layer has an inputShape.
    expectTypeOf<NeedsTime<"gru", InputShape | undefined>>().toEqualTypeOf<
      ShapeError<"gru needs [batch, time, features]; set returnSequences: true on the layer before">
    >();
    const inner = bidirectional({ layer: lstm({ units: 3 }) });
    expectTypeOf<Message<typeof inner>>().toEqualTypeOf<
      ShapeError<"lstm needs [batch, time, features]; set returnSequences: true on the layer before">
    >();
    sequential([
      // @ts-expect-error gru needs [batch, time, features]; set inputShape to [time, features]
      gru({ units: 3, inputShape: [4] }),
    ]);
    sequential([
      // @ts-expect-error bidirectional needs [batch, time, features]; set inputShape to [time, features]
      bidirectional({ layer: lstm({ units: 3 }), inputShape: [4] }),
    ]);
  });
});

describe("options", () => {
  it("are errors where they are misspelt or missing", () => {
    // @ts-expect-error returnSequence
    lstm({ units: 64, returnSequence: true });
    // @ts-expect-error Python's spelling
    lstm({ units: 64, return_sequences: true });
    // @ts-expect-error units are needed
    lstm({ returnSequences: true });
    // @ts-expect-error sofmax
    dense({ units: 10, activation: "sofmax" });
    // @ts-expect-error glorotUnifrom
    dense({ units: 10, kernelInitializer: "glorotUnifrom" });
    // @ts-expect-error elu has alpha, not beta
    dense({ units: 10, activation: { name: "elu", beta: 1 } });
    // @ts-expect-error threshold needs its parameters
    dense({ units: 10, activation: "threshold" });
    // @ts-expect-error average
    bidirectional({ layer: lstm({ units: 4 }), mergeMode: "average" });
    // @ts-expect-error dense is not recurrent
    bidirectional({ layer: dense({ units: 4 }) });
    // @ts-expect-error a cell has no returnSequences
    layers.lstmCell({ units: 4, returnSequences: true });
  });

  it("may have parameters, or be functions", () => {
    dense({ units: 10, activation: { name: "elu", alpha: 0.5 } });
    dense({ units: 10, activation: { name: "threshold", threshold: 1, defaultValue: 0 } });
    dense({ units: 10, activation: (x) => x });
    dense({ units: 10, activation: null });
    activations.relu(x, { maxValue: 2 });
    activations.softmax(x);
    activations.threshold(x, { threshold: 1, defaultValue: 0 });
    // @ts-expect-error threshold needs its parameters
    activations.threshold(x);
    // @ts-expect-error elu has alpha, not beta
    activations.elu(x, { beta: 1 });
    // @ts-expect-error null is no initializer
    dense({ units: 10, kernelInitializer: null });
  });
});
