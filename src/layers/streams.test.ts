import { describe, expect, it } from "vitest";
import { evaluate, known } from "../../tests/reference.js";
import type { Node, SymbolicTensor } from "../graph/ir.js";
import { mul } from "../graph/ops/elementwise.js";
import type { RandomAttrs } from "../graph/ops/random.js";
import { input } from "../graph/ops/source.js";
import { trace } from "./context.case.js";
import { type CallContext, defineLayer, initializers, Layer, layers } from "./index.js";
import { floats, type Inputs } from "./layer.js";

const half = { dropout: 0.5, recurrentDropout: 0.5 };
const x = input("x", [2, 3, 4]);

/** The draws that values are made of: which numbers each takes, by its stream and where its seed comes from. */
function drawsOf(outputs: readonly SymbolicTensor[]): string[] {
  const seen = new Set<Node>();
  const found: string[] = [];
  const visit = ({ node }: SymbolicTensor): void => {
    if (seen.has(node)) return;
    seen.add(node);
    node.inputs.forEach(visit);
    if (!["dropout", "randomMask", "random"].includes(node.op.name)) return;
    const seed = known(node.inputs[node.op.name === "dropout" ? 1 : 0], "seed").node;
    const { stream } = node.attrs as RandomAttrs;
    const { data } = seed.attrs as { readonly data?: ArrayLike<number> };
    found.push(`${data === undefined ? "the model's" : Array.from(data).join(" ")}: ${stream}`);
  };
  outputs.forEach(visit);
  return found;
}

/** Calls a layer twice, as a model with the layer in two places does. */
class Twice extends Layer {
  static readonly definition = defineLayer("Twice", {});
  constructor(readonly inner: Layer) {
    super(Twice.definition, {});
    this.inner.attach(this, "inner", "inner");
  }
  override call([value]: Inputs, context: CallContext): readonly SymbolicTensor[] {
    this.inner.build([value]);
    return [this.inner, this.inner].flatMap((layer) => layer.callChecked([value], context));
  }
}

describe("no two draws of a layer share a stream", () => {
  it.each([null, 7])("with the seed %j", (seed) => {
    const own = { ...half, seed };
    const cell = () => layers.gruCell({ units: 4, ...own });
    const shared = cell();
    const drawing: readonly (readonly [Layer, number])[] = [
      [layers.simpleRNN({ units: 4, ...own }), 2],
      [layers.lstm({ units: 4, ...own }), 2],
      [layers.gru({ units: 4, ...own }), 2],
      [layers.rnn({ cell: [cell(), cell()] }), 4],
      [layers.rnn({ cell: [shared, shared] }), 4],
      [layers.bidirectional({ layer: layers.lstm({ units: 4, ...own }) }), 4],
      [layers.bidirectional({ layer: layers.rnn({ cell: [cell(), cell()] }) }), 8],
      [new Twice(layers.dropout({ rate: 0.5, seed })), 2],
      [new Twice(layers.lstm({ units: 4, ...own })), 4],
    ];
    for (const [layer, count] of drawing) {
      const draws = drawsOf(trace(layer, x, { training: true }).outputs);
      expect(draws, layer.where).toHaveLength(count);
      expect(new Set(draws).size, layer.where).toBe(count);
      expect(
        draws.every((draw) => draw.startsWith(seed === null ? "the model's" : "7 0")),
        layer.where,
      ).toBe(true);
    }
  });

  it("of first values either, also where their initializers have one seed", () => {
    const seeded = initializers.randomNormal({ seed: 7 });
    const three = { kernelInitializer: seeded, recurrentInitializer: seeded, biasInitializer: seeded };
    const cell = () => layers.simpleRNNCell({ units: 4, ...three });
    const initialized: readonly (readonly [Layer, number])[] = [
      [layers.dense({ units: 4, kernelInitializer: seeded, biasInitializer: seeded }), 2],
      [layers.gru({ units: 4, ...three }), 3],
      [layers.lstm({ units: 4, ...three }), 4],
      [layers.rnn({ cell: [cell(), cell()] }), 6],
      [layers.bidirectional({ layer: layers.simpleRNN({ units: 4, ...three }) }), 6],
    ];
    for (const [layer, count] of initialized) {
      layer.build(floats(x.shape));
      const first = layer
        .weights()
        .map(({ initializer, shape, place }) =>
          initializer.values(shape, { seed: input("seed", [2], "int32") }, 0, place),
        );
      const draws = drawsOf(first);
      expect(draws, layer.where).toHaveLength(count);
      expect(new Set(draws).size, layer.where).toBe(count);
    }
  });
});

it("a layer's own seed draws the same under any name", () => {
  const draws = (name: string, seed: number) => {
    const layer = layers.bidirectional({ name, layer: layers.gru({ units: 3, ...half, seed, name }) });
    return drawsOf(trace(layer, x, { training: true }).outputs);
  };
  expect(draws("a", 7)).toEqual(draws("b", 7));
  expect(draws("a", 7)).not.toEqual(draws("a", 8));
  expect(draws("a", 7)).not.toEqual(draws("a", 7 + 2 ** 32));
});

it("dropout and recurrentDropout of one layer are independent", () => {
  // The state passes on unchanged but for the masks: a unit is alive after two steps where neither drops it.
  const units = 64;
  const rows = 200;
  const layer = layers.simpleRNN({
    units,
    activation: "linear",
    kernelInitializer: "identity",
    recurrentInitializer: "identity",
    ...half,
    seed: 7,
  });
  const { outputs } = trace(layer, input("x", [rows, 2, units]), { training: true });
  const data = new Float64Array(rows * 2 * units);
  // An impulse in the first step.
  for (let row = 0; row < rows; row++) data.fill(1, row * 2 * units, (2 * row + 1) * units);
  const eye = Float64Array.from({ length: units * units }, (_, i) => (i % (units + 1) === 0 ? 1 : 0));
  const inputs = {
    x: { shape: [rows, 2, units], data },
    kernel: { shape: [units, units], data: eye },
    recurrent_kernel: { shape: [units, units], data: eye },
    bias: { shape: [units], data: new Float64Array(units) },
    seed: { shape: [2], data: Float64Array.of(1, 0) },
  };
  const [y] = evaluate([mul(known(outputs[0], "y"), 1)], { inputs });
  const alive = known(y, "y").data.filter((value) => value !== 0).length / (rows * units);
  // 0.25 ± 5 standard errors of 12,800 draws
  expect(Math.abs(alive - 0.25)).toBeLessThan(5 * Math.sqrt((0.25 * 0.75) / (rows * units)));
});
