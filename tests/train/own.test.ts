import { beforeAll, describe, expect, it } from "vitest";
import {
  type Backend,
  Cell,
  type CellOutput,
  createBackend,
  defineCell,
  defineLayer,
  fields,
  initializers,
  Layer,
  type LayerOptions,
  layers,
  type Optimizer,
  type OptionsOf,
  ops,
  optimizers,
  type Shape,
  type ShapeError,
  type ShapeRule,
  type SymbolicTensor,
  sequential,
  Tensor,
  type Weight,
  type WeightContext,
} from "../../src/index.js";
import type { Inputs, InputTypes } from "../../src/layers/layer.js";
import { uniform } from "../golden/load.js";

// What users write themselves, with the public names alone: a cell, a layer, an optimizer.

const cellDefinition = defineCell("ElmanCell", { units: fields.size });

/** The equation of a SimpleRNN: h' = tanh(x·W + h·U). */
class ElmanCell extends Cell<typeof cellDefinition.fields> {
  #kernel: Weight | undefined;
  #recurrent: Weight | undefined;

  constructor(options: OptionsOf<typeof cellDefinition.fields>) {
    super(cellDefinition, options);
  }
  get stateShapes() {
    return [[this.settings.units]];
  }
  protected override declareWeights(step: Shape): void {
    const { units } = this.settings;
    this.#kernel = this.addWeight("kernel", [Number(step[1]), units], initializers.glorotUniform());
    this.#recurrent = this.addWeight("recurrent_kernel", [units, units], initializers.orthogonal());
  }
  override call(x: SymbolicTensor, [h = x]: readonly SymbolicTensor[], context: WeightContext): CellOutput {
    const weight = (w: Weight | undefined) => context.weight(this.builtWeight(w));
    const output = ops.tanh(
      ops.add(ops.matMul(x, weight(this.#kernel)), ops.matMul(h, weight(this.#recurrent))),
    );
    return { output, states: [output] };
  }
}

interface LastRule extends ShapeRule {
  readonly out: this["in"] extends readonly [number, infer D extends number]
    ? [D]
    : ShapeError<"lastStep needs [batch, time, features]">;
}
const lastDefinition = defineLayer("LastStep", {});

/** [B, T, D] → [B, D]: the last step. */
class LastStep extends Layer<LastRule, typeof lastDefinition.fields> {
  constructor(options: LayerOptions = {}) {
    super(lastDefinition, options);
  }
  protected override checkInputs([{ shape }]: InputTypes): void {
    if (shape.length === 3) return;
    throw this.error(
      `${shape.length} axes`,
      "[batch, time, features]",
      "Set returnSequences: true on the layer before",
    );
  }
  override call([x]: Inputs): SymbolicTensor {
    return ops.squeeze(ops.slice(x, [0, -1]), [1]);
  }
}

const descent: Optimizer = {
  name: "descent",
  learningRate: 0.1,
  slots: [],
  update: ({ parameters, gradients, learningRate }) => ({
    parameters: ops.sub(parameters, ops.mul(gradients, learningRate)),
    slots: {},
  }),
};

describe("parts of one's own", () => {
  let backend: Backend;
  beforeAll(async () => {
    backend = await createBackend({ backend: "wasm", threads: 1 });
  });

  it("train as the built-in ones with the same equations", async () => {
    const x = new Tensor(uniform(1, 24 * 5 * 3), [24, 5, 3], "float32");
    const y = new Tensor(uniform(2, 24 * 2), [24, 2], "float32");
    const squares = (yTrue: SymbolicTensor, yPred: SymbolicTensor) =>
      ops.mean(ops.square(ops.sub(yPred, yTrue)), -1);
    const own = sequential(
      [
        layers.rnn({ cell: new ElmanCell({ units: 4 }), returnSequences: true, inputShape: [5, 3] }),
        new LastStep(),
        layers.dense({ units: 2 }),
      ],
      { backend },
    );
    own.compile({ optimizer: descent, loss: squares });
    const builtIn = sequential(
      [layers.simpleRNN({ units: 4, useBias: false, inputShape: [5, 3] }), layers.dense({ units: 2 })],
      { backend },
    );
    builtIn.compile({ optimizer: optimizers.sgd({ learningRate: 0.1 }), loss: "mse" });
    await builtIn.setWeights(await own.getWeights());

    const options = { batchSize: 8, epochs: 4, shuffle: false, verbose: 0 } as const;
    const [mine, theirs] = [await own.fit(x, y, options), await builtIn.fit(x, y, options)];
    const losses = mine.history.loss ?? [];
    expect(losses).toHaveLength(4);
    expect(losses[3]).toBeLessThan(0.9 * (losses[0] ?? 0));
    losses.forEach((loss, i) => {
      expect(loss).toBeCloseTo(theirs.history.loss?.[i] ?? Number.NaN, 6);
    });
  });

  it("are checked by their rules of shapes", () => {
    expect(() =>
      sequential([
        layers.dense({ units: 2, inputShape: [3] }),
        // @ts-expect-error lastStep needs [batch, time, features]
        new LastStep(),
      ]),
    ).toThrow(/^lastStep "last_step": received 2 axes, expected \[batch, time, features\]/);
  });
});
