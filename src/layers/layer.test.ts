import { describe, expect, it } from "vitest";
import { refusal } from "../../tests/arrays.js";
import { evaluate, known } from "../../tests/reference.js";
import { symbol } from "../graph/dim.js";
import type { SymbolicTensor } from "../graph/ir.js";
import { mul } from "../graph/ops/elementwise.js";
import { mean } from "../graph/ops/reduce.js";
import { constant, fill, input } from "../graph/ops/source.js";
import { sequential } from "../models/sequential.js";
import { zeros } from "../tensor.js";
import {
  type CallContext,
  callContext,
  defineLayer,
  fields,
  initializers,
  Layer,
  LayerNames,
  layers,
  type OptionsOf,
  type Weight,
} from "./index.js";
import { batchShape, floats, type Inputs, type InputTypes } from "./layer.js";

const B = symbol("B");

/** A layer of a user's own: the mean over time, scaled by a weight per feature. */
const definition = defineLayer("ScaledMean", { power: fields.real(1) });
class ScaledMean extends Layer {
  #scale: Weight | undefined;
  constructor(options: OptionsOf<typeof definition.fields>) {
    super(definition, options);
  }
  protected override declareWeights([x]: InputTypes): void {
    this.#scale = this.addWeight("scale", [this.features(x)], initializers.ones());
  }
  override call([x]: Inputs, context: CallContext): SymbolicTensor {
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

  it.each(["", "a/b", "/", 3, true, ["a"]])("may not be %j", (given) => {
    const name = given as string;
    const made = [
      () => layers.dense({ units: 1, name }),
      () => layers.lstmCell({ units: 1, name }),
      () => sequential([], { name }),
    ];
    for (const make of made) {
      expect(refusal(make).expected).toBe('text that is not empty and has no "/"');
    }
  });

  it("are unique", () => {
    const names = new LayerNames();
    names.add(layers.dense({ units: 1, name: "out" }));
    expect(() => names.add(layers.lstm({ units: 1, name: "out" }))).toThrow(
      'lstm "out": received the name "out" a second time',
    );
  });

  it("from a model before stay: one found in this model steps aside, wherever it comes", () => {
    const shared = layers.dense({ units: 1 });
    new LayerNames().add(shared);
    for (const fresh of [0, 1, 2]) {
      const list = [layers.dense({ units: 1 }), layers.dense({ units: 1 })].toSpliced(fresh, 0, shared);
      const names = new LayerNames();
      for (const layer of list) names.add(layer);
      expect(shared.name).toBe("dense");
      expect(list.map((layer) => layer.name).sort()).toEqual(["dense", "dense_1", "dense_2"]);
    }
  });

  it("found in a model stay once another model has the layer", () => {
    const names = new LayerNames();
    const [own, other] = [layers.dense({ units: 1 }), layers.dense({ units: 1 })];
    names.add(own);
    for (const layer of [own, other]) new LayerNames().add(layer);
    const error = refusal(() => names.add(other));
    expect([error.received, own.name]).toEqual(['the name "dense" a second time', "dense"]);
    expect(error.fix).toContain('{ name: "dense_1" }');
  });

  it("leave the models before as they were", () => {
    const shared = layers.dense({ units: 1, inputShape: [2] });
    const first = sequential([shared]);
    const second = sequential([layers.dense({ units: 2, inputShape: [2] }), shared]);
    expect(first.weightNames()).toEqual(["dense/kernel", "dense/bias"]);
    expect(second.weightNames()).toEqual(["dense_1/kernel", "dense_1/bias", "dense/kernel", "dense/bias"]);
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
    layer.build(floats([B, 5]));
    layer.build(floats([B, 7, 5]));
    expect(layer.weights().map(({ name, shape, trainable }) => [name, shape, trainable])).toEqual([
      ["kernel", [5, 3], true],
      ["bias", [3], true],
    ]);
  });

  it("refuses another number of features later", () => {
    const layer = layers.dense({ units: 3, name: "out" });
    layer.build(floats([B, 5]));
    expect(() => layer.build(floats([B, 6]))).toThrow(
      'dense "out": received [batch, 6], expected 5 features',
    );
  });

  it("marks the weights of a layer that is not trainable", () => {
    for (const layer of [
      layers.lstm({ units: 3, trainable: false }),
      layers.bidirectional({ layer: layers.gru({ units: 3 }), trainable: false }),
      layers.rnn({ cell: [layers.lstmCell({ units: 2 })], trainable: false }),
    ]) {
      layer.build(floats([B, 4, 5]));
      expect(layer.weights().length).toBeGreaterThan(0);
      expect(layer.weightEntries().every(({ trainable }) => !trainable)).toBe(true);
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
    expect(layers.inputLayer({ shape: [3, 4] }).givenShape.map(String)).toEqual(["B", "3", "4"]);
    expect(layers.inputLayer({ batchShape: [2, 3] }).givenShape).toEqual([2, 3]);
    expect(() => layers.inputLayer({})).toThrow("inputLayer: received no shape");
  });
});

describe("a layer of one's own", () => {
  it("is traced like the others", () => {
    const layer = new ScaledMean({ name: "pool" });
    const x = input("x", [2, 2, 2]);
    layer.build(floats(x.shape));
    const context = callContext({
      training: false,
      random: { seed: input("seed", [2], "int32") },
      countDraw: () => 0,
      weight: () => constant(Float32Array.of(1, 10), [2], "float32"),
      readState: () => x,
    });
    const given = { x: { shape: [2, 2, 2], data: Float64Array.of(1, 2, 3, 4, 5, 6, 7, 8) } };
    const output = layer.call([x], context);
    expect([...known(evaluate([output], { inputs: given })[0], "y").data]).toEqual([2, 30, 6, 70]);
    expect(layer.outputTypes(floats(batchShape([null, 2]))).map(({ shape }) => String(shape))).toEqual([
      "B,2",
    ]);
    expect(layer.config()).toEqual({ name: "pool", trainable: true, power: 1, dtype: "float32" });
  });

  const own = (call: (x: SymbolicTensor) => unknown): Layer => {
    class Own extends Layer {
      override call([x]: Inputs): SymbolicTensor {
        return call(x) as SymbolicTensor;
      }
    }
    return new Own(defineLayer("Own", {}), { name: "mine" });
  };

  it.each<[string, (x: SymbolicTensor) => unknown, string]>([
    ["gives nothing", () => undefined, "received nothing from call"],
    ["gives a number", () => 3, "received a number from call"],
    ["gives an empty list", () => [], "received a list from call"],
    ["gives a list with a number", (x) => [x, 3], "received a list from call"],
    ["gives host data", () => zeros([2]), "received a Tensor from call"],
    ["takes host data", (x) => mul(x, zeros([2]) as never), "mul: received a Tensor as an operand"],
    ["combines shapes that differ", (x) => mul(x, fill([3], 1)), "mul: received shapes [B, 2] and [3]"],
  ])("is named where its call %s", (_, call, message) => {
    expect(refusal(() => own(call).outputTypes(floats([B, 2]))).message).toContain(message);
    expect(refusal(() => own(call).outputTypes(floats([B, 2]))).where).toMatch(/^own "mine"/);
  });

  it("lets errors of its own code through", () => {
    const layer = own(() => {
      throw new SyntaxError("mine");
    });
    expect(() => layer.outputTypes(floats([B, 2]))).toThrow(SyntaxError);
  });

  it.each<[string, readonly unknown[], string]>([
    ["no definition", [], "Bare: received undefined for its definition"],
    ["options in its place", [{ units: 3 }], "Bare: received an object for its definition"],
  ])("needs its definition, not %s", (_, given, message) => {
    class Bare extends Layer {
      override call = ([x]: Inputs) => x;
    }
    expect(() => Reflect.construct(Bare, given)).toThrow(message);
  });

  it.each<[readonly number[], string]>([
    [[2.5], "shape [2.5]"],
    [[symbol("T") as never, 3], "shape [T, 3]"],
    [3 as never, "3 for a shape"],
  ])("declares weights of whole sizes, not %s", (shape, received) => {
    class Wrong extends Layer {
      override call = ([x]: Inputs) => x;
      protected override declareWeights(): void {
        this.addWeight("scale", shape, "ones");
      }
    }
    const error = refusal(() => new Wrong(defineLayer("Wrong", {}), {}).build(floats([B, 2])));
    expect([error.where, error.received]).toEqual(["wrong: scale: addWeight", received]);
  });
});
