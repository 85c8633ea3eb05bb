import { describe, expect, it } from "vitest";
import { evaluate, known } from "../../tests/reference.js";
import { symbol } from "../graph/dim.js";
import type { SymbolicTensor } from "../graph/ir.js";
import { mul } from "../graph/ops/elementwise.js";
import { mean } from "../graph/ops/reduce.js";
import { constant, input } from "../graph/ops/source.js";
import {
  type CallContext,
  defineLayer,
  fields,
  initializers,
  Layer,
  LayerNames,
  layers,
  type OptionsOf,
  type Weight,
} from "./index.js";
import { batchShape } from "./layer.js";

const B = symbol("B");

/** A layer of a user's own: the mean over time, scaled by a weight per feature. */
const definition = defineLayer("ScaledMean", { power: fields.real(1) });
class ScaledMean extends Layer {
  #scale: Weight | undefined;
  constructor(options: OptionsOf<typeof definition.fields>) {
    super(definition, options);
  }
  protected override declareWeights(shape: readonly (number | typeof B)[]): void {
    this.#scale = this.addWeight("scale", [this.features(shape)], initializers.ones());
  }
  override call(x: SymbolicTensor, context: CallContext): SymbolicTensor {
    return mul(mean(x, 1), context.weight(this.builtWeight(this.#scale)));
  }
}

describe("names", () => {
  it("are given when a layer joins a model, as Keras counts", () => {
    const list = [
      layers.lstm({ units: 1 }),
      layers.lstm({ units: 1 }),
      layers.simpleRNN({ units: 1 }),
      layers.lstm({ units: 1 }),
    ];
    expect(list.map((layer) => layer.name)).toEqual([undefined, undefined, undefined, undefined]);
    const names = new LayerNames();
    for (const layer of list) names.add(layer);
    expect(list.map((layer) => layer.name)).toEqual(["lstm", "lstm_1", "simple_rnn", "lstm_2"]);
  });

  it("start anew in every model", () => {
    const [one, two] = [layers.dense({ units: 1 }), layers.dense({ units: 1 })];
    new LayerNames().add(one);
    new LayerNames().add(two);
    expect([one.name, two.name]).toEqual(["dense", "dense"]);
  });

  it("given by hand stay, and are passed over by the count", () => {
    const names = new LayerNames();
    const list = [
      layers.dense({ units: 1, name: "dense_1" }),
      layers.dense({ units: 1 }),
      layers.dense({ units: 1 }),
    ];
    for (const layer of list) names.add(layer);
    expect(list.map((layer) => layer.name)).toEqual(["dense_1", "dense", "dense_2"]);
  });

  it("are unique", () => {
    const names = new LayerNames();
    names.add(layers.dense({ units: 1, name: "out" }));
    expect(() => names.add(layers.lstm({ units: 1, name: "out" }))).toThrow(
      'lstm "out": received the name "out" a second time',
    );
  });

  it("stay when the same layer comes again", () => {
    const names = new LayerNames();
    const layer = layers.dense({ units: 1 });
    names.add(layer);
    names.add(layer);
    expect(layer.name).toBe("dense");
  });
});

describe("build", () => {
  it("declares the weights once, named and in Keras's order", () => {
    const layer = layers.dense({ units: 3 });
    expect(layer.weights()).toEqual([]);
    layer.build([B, 5]);
    layer.build([B, 7, 5]);
    expect(layer.weights().map(({ name, shape, trainable }) => [name, shape, trainable])).toEqual([
      ["kernel", [5, 3], true],
      ["bias", [3], true],
    ]);
  });

  it("refuses another number of features later", () => {
    const layer = layers.dense({ units: 3, name: "out" });
    layer.build([B, 5]);
    expect(() => layer.build([B, 6])).toThrow('dense "out": received [batch, 6], expected 5 features');
  });

  it("marks the weights of a layer that is not trainable", () => {
    for (const layer of [
      layers.lstm({ units: 3, trainable: false }),
      layers.bidirectional({ layer: layers.gru({ units: 3 }), trainable: false }),
      layers.rnn({ cell: [layers.lstmCell({ units: 2 })], trainable: false }),
    ]) {
      layer.build([B, 4, 5]);
      expect(layer.weights().length).toBeGreaterThan(0);
      expect(layer.weights().every((weight) => !weight.trainable)).toBe(true);
    }
  });
});

describe("options", () => {
  it("are checked by name", () => {
    const given = { units: 3, returnSequence: true };
    expect(() => layers.lstm(given)).toThrow('lstm: received the unknown option "returnSequence"');
    expect(() => layers.lstm(given)).toThrow('Did you mean "returnSequences"?');
    expect(() => layers.lstm({ ...{ unit: 3 } } as unknown as { units: number })).toThrow(
      /^lstm: received the unknown option "unit", .* Did you mean "units"\?$/,
    );
  });

  it("tell the shape of a model's input", () => {
    expect(layers.lstm({ units: 1 }).givenShape).toBeUndefined();
    expect(layers.lstm({ units: 1, inputShape: [null, 4] }).givenShape?.map(String)).toEqual(["B", "T", "4"]);
    expect(layers.lstm({ units: 1, inputShape: [3, 4], batchSize: 2 }).givenShape).toEqual([2, 3, 4]);
    expect(layers.input({ shape: [3, 4] }).givenShape.map(String)).toEqual(["B", "3", "4"]);
    expect(layers.input({ batchShape: [2, 3] }).givenShape).toEqual([2, 3]);
    expect(() => layers.input({})).toThrow("inputLayer: received no shape");
  });
});

describe("a layer of one's own", () => {
  it("is traced like the others", () => {
    const layer = new ScaledMean({ name: "pool" });
    const x = input("x", [2, 2, 2]);
    layer.build(x.shape);
    const context: CallContext = {
      training: false,
      random: { seed: input("seed", [2], "int32") },
      weight: () => constant(Float32Array.of(1, 10), [2], "float32"),
      readState: () => x,
      writeState: () => undefined,
      warn: () => undefined,
    };
    const given = { x: { shape: [2, 2, 2], data: Float64Array.of(1, 2, 3, 4, 5, 6, 7, 8) } };
    const output = layer.call(x, context);
    expect([...known(evaluate([output], { inputs: given })[0], "y").data]).toEqual([2, 30, 6, 70]);
    expect(layer.outputShapes(batchShape([null, 2])).map(String)).toEqual(["B,2"]);
    expect(layer.config()).toEqual({ name: "pool", trainable: true, power: 1, dtype: "float32" });
  });
});
