import { describe, expect, it } from "vitest";
import { array, computed, refusal } from "../../../tests/arrays.js";
import { evaluate, known } from "../../../tests/reference.js";
import { symbol } from "../../graph/dim.js";
import { type Node, SymbolicTensor, topological } from "../../graph/ir.js";
import { add, mul } from "../../graph/ops/elementwise.js";
import { sum } from "../../graph/ops/reduce.js";
import { fusedActivations, type RnnAttrs } from "../../graph/ops/rnn.js";
import { constant, input } from "../../graph/ops/source.js";
import { gradients } from "../../passes/autodiff.js";
import { optimize } from "../../passes/index.js";
import { activations } from "../activations.js";
import { trace } from "../context.case.js";
import {
  Cell,
  type CellOutput,
  defineCell,
  fields,
  type Layer,
  layers,
  type WeightContext,
} from "../index.js";
import { floats } from "../layer.js";

const B = symbol("B");
const T = symbol("T");
const x = input("x", [B, T, 3]);
const nodesOf = (roots: readonly SymbolicTensor[], name: string): Node[] =>
  topological(roots).filter((node) => node.op.name === name);
const sizes = (y: SymbolicTensor | undefined) => y?.shape.map(String);
const rnnOf = (layer: Layer, training = false): RnnAttrs | undefined =>
  nodesOf(trace(layer, x, { training }).outputs, "rnn")[0]?.attrs as RnnAttrs | undefined;

describe("shapes", () => {
  it.each([
    ["lstm", { units: 5 }, ["B", "5"], 0],
    ["lstm", { units: 5, returnSequences: true }, ["B", "T", "5"], 0],
    ["lstm", { units: 5, returnState: true }, ["B", "5"], 2],
    ["gru", { units: 5, returnState: true, returnSequences: true }, ["B", "T", "5"], 1],
    ["simpleRNN", { units: 5, returnState: true }, ["B", "5"], 1],
  ] as const)("%s %j gives %j and %i states", (kind, options, shape, states) => {
    const { outputs } = trace(layers[kind](options), x);
    expect(sizes(outputs[0])).toEqual(shape);
    expect(outputs.slice(1).map(sizes)).toEqual(Array(states).fill(["B", "5"]));
  });

  it("leave the batch axis out of inputShape", () => {
    const layer = layers.lstm({ units: 2, inputShape: [null, 5, 1] });
    expect(refusal(() => layer.build(floats(layer.givenShape ?? []))).fix).toBe(
      "Leave the batch axis out of inputShape, as in [5, 1], or give every time step a single axis of features, for example with reshape",
    );
  });

  it.each([
    ["simpleRNN", {}, [[3, 5], [5, 5], [5]]],
    ["lstm", {}, [[3, 20], [5, 20], [20]]],
    [
      "gru",
      {},
      [
        [3, 15],
        [5, 15],
        [2, 15],
      ],
    ],
    ["gru", { resetAfter: false }, [[3, 15], [5, 15], [15]]],
    [
      "lstm",
      { useBias: false },
      [
        [3, 20],
        [5, 20],
      ],
    ],
  ] as const)("%s %j has Keras's weights", (kind, options, shapes) => {
    const layer = layers[kind]({ units: 5, ...options });
    layer.build(floats(x.shape));
    expect(layer.weights().map(({ shape }) => shape)).toEqual(shapes);
    expect(layer.weights().map(({ name }) => name)).toEqual(
      ["kernel", "recurrent_kernel", "bias"].slice(0, shapes.length),
    );
  });
});

describe("masks", () => {
  const mask = input("mask", [B, T], "bool");
  const masked = x.withMask(mask);
  it("stay with sequences, run backwards with them, and end with the last output", () => {
    const out = (options: object) => trace(layers.lstm({ units: 5, ...options }), masked).outputs[0]?.mask;
    expect(out({ returnSequences: true })).toBe(mask);
    expect(out({ returnSequences: true, goBackwards: true })?.node.op.name).toBe("reverse");
    expect(out({})).toBeUndefined();
  });
});

describe("NaN at masked steps", () => {
  it.each([
    ["the fused kernel", { units: 2 }],
    ["the general scan", { units: 2, activation: "mish" }],
  ] as const)("reaches neither the outputs nor a gradient through %s", (_name, options) => {
    const layer = layers.lstm({ ...options, returnSequences: true });
    const given = input("x", [2, 3, 1]);
    const masked = given.withMask(input("mask", [2, 3], "bool"));
    const { outputs } = trace(layer, masked);
    const weights = topological(outputs).filter(
      ({ op, outputs: [y] }) => op.name === "input" && y?.shape.length === 2 && y.shape[1] === 8,
    );
    const ys = known(outputs[0], "y").withMask(undefined);
    const found = gradients(sum(ys), [given, ...weights.map((node) => new SymbolicTensor(node))]);
    expect(found).toHaveLength(3);
    const inputs = {
      x: array([
        [[1], [Number.NaN], [2]],
        [[Number.NaN], [Number.NaN], [Number.NaN]],
      ]),
      mask: array([
        [1, 0, 1],
        [0, 0, 0],
      ]),
      kernel: array([Array(8).fill(0.3)]),
      recurrent_kernel: array([Array(8).fill(0.2), Array(8).fill(-0.1)]),
      bias: array(Array(8).fill(0.1)),
    };
    const values = evaluate(
      [ys, ...found].map((y) => known(y, "gradient")),
      { inputs },
    ).map(({ data }) => [...data]);
    for (const list of values) expect(list.every(Number.isFinite)).toBe(true);
    // Masked steps repeat the output before them, and have no gradient.
    const [row] = computed(ys, inputs) as number[][][];
    expect(row?.[1]).toEqual(row?.[0]);
    expect(values[0]?.slice(6)).toEqual([0, 0, 0, 0, 0, 0]);
    expect(values[1]?.map((d) => d === 0)).toEqual([false, true, false, true, true, true]);
  });
});

describe("the fused kernel", () => {
  it.each([
    ["simpleRNN", {}, { cell: "simple", activation: "tanh" }],
    ["lstm", {}, { cell: "lstm", activation: "tanh", recurrentActivation: "sigmoid" }],
    ["gru", {}, { cell: "gru", activation: "tanh", recurrentActivation: "sigmoid" }],
    ["gru", { resetAfter: false, activation: "relu" }, { cell: "gruResetBefore", activation: "relu" }],
    [
      "lstm",
      { goBackwards: true, returnSequences: true },
      { roles: ["x", "kernel", "recurrentKernel", "bias"] },
    ],
    ["lstm", { useBias: false }, { roles: ["x", "kernel", "recurrentKernel"] }],
  ] as const)("computes %s %j", (kind, options, attrs) => {
    expect(rnnOf(layers[kind]({ units: 5, ...options }))).toMatchObject(attrs);
  });

  it("computes every activation it knows, and no other", () => {
    for (const activation of Object.keys(activations)) {
      if (activation === "threshold") continue;
      const attrs = rnnOf(
        layers.lstm({
          units: 4,
          recurrentActivation: activation === "glu" ? "sigmoid" : (activation as "relu"),
        }),
      );
      const fused = (fusedActivations as readonly string[]).includes(activation) || activation === "glu";
      expect([activation, attrs !== undefined]).toEqual([activation, fused]);
    }
    expect(rnnOf(layers.lstm({ units: 4, activation: { name: "elu", alpha: 0.5 } }))).toBeUndefined();
  });

  it("serves masks, dropout and states", () => {
    const layer = layers.lstm({ units: 5, dropout: 0.1, recurrentDropout: 0.2, name: "l" });
    const masked = x.withMask(input("mask", [B, T], "bool"));
    const further = [input("h0", [B, 5]), input("c0", [B, 5])];
    const { outputs } = trace(layer, masked, { training: true, further });
    const roles = ["x", "kernel", "recurrentKernel", "bias", "dropout", "h0", "c0", "mask"];
    expect(nodesOf(outputs, "rnn").map((node) => (node.attrs as RnnAttrs).roles)).toEqual([roles]);
    expect(nodesOf(outputs, "scan")).toEqual([]);
    expect(nodesOf(outputs, "randomMask").map(({ outputs: [y] }) => y?.shape.map(String))).toEqual(
      expect.arrayContaining([
        ["B", "3"],
        ["B", "5"],
      ]),
    );
  });

  it("leaves other cells to the general scan", () => {
    const { outputs } = trace(layers.lstm({ units: 5, activation: "gelu" }), x);
    expect([nodesOf(outputs, "rnn").length, nodesOf(outputs, "scan").length]).toEqual([0, 1]);
  });

  it("needs no transposes between stacked layers, forward or backward", () => {
    const first = trace(layers.lstm({ units: 4, returnSequences: true, name: "a" }), x).outputs;
    const { outputs } = trace(layers.lstm({ units: 5, name: "b" }), known(first[0], "y"));
    const y = known(outputs[0], "y");
    const [dx] = gradients(sum(y), [x]);
    const graph = optimize({ name: "stack", inputs: [x], outputs: { y, dx: known(dx, "dx") }, updates: [] });
    // [B, T, D] → time-major on the way in, and back for the gradient of x.
    expect(nodesOf(Object.values(graph.outputs), "transpose")).toHaveLength(2);
    expect(nodesOf(Object.values(graph.outputs), "rnn")).toHaveLength(2);
    expect(nodesOf(Object.values(graph.outputs), "rnnGradient")).toHaveLength(2);
  });
});

describe("states", () => {
  it("of a stateful layer are read before and written after", () => {
    const layer = layers.lstm({ units: 5, stateful: true, name: "memory" });
    const { states } = trace(layer, input("x", [2, T, 3]));
    expect(layer.states().map(({ name, shape, role }) => [name, shape, role])).toEqual([
      ["memory/state_0", [2, 5], "recurrent"],
      ["memory/state_1", [2, 5], "recurrent"],
    ]);
    expect([...states.keys()]).toEqual(layer.states());
    expect(layers.lstm({ units: 5 }).states()).toEqual([]);
  });

  it("need a fixed batch size", () => {
    const error = refusal(() => layers.lstm({ units: 5, stateful: true }).build(floats(x.shape)));
    expect([error.received, error.fix]).toEqual([
      "[batch, time, 3] with stateful: true",
      "Set batchSize on the first layer of the model",
    ]);
  });

  it("given for the start must fit", () => {
    const layer = layers.lstm({ units: 5 });
    const refused = (further: readonly SymbolicTensor[]) =>
      refusal(() => trace(layer, x, { further })).message;
    expect(refused([input("h", [B, 5])])).toContain(
      'lstm "lstm": received an initialState of [batch, 5], expected [batch, 5], [batch, 5]',
    );
    expect(refused([input("h", [B, 5]), input("c", [B, 4])])).toContain(
      "received an initialState of [batch, 5], [batch, 4]",
    );
  });
});

describe("a wrong input", () => {
  it("says what to change", () => {
    expect(refusal(() => layers.lstm({ units: 5, name: "lstm_1" }).build(floats([B, 64]))).message).toBe(
      'lstm "lstm_1": received [batch, 64], expected [batch, time, features]. Set returnSequences: true on the layer before; flatten steps one by one with timeDistributed; or make a time axis with reshape.',
    );
    expect(refusal(() => layers.gru({ units: 5, inputShape: [64] }).build(floats([B, 64]))).fix).toBe(
      "Set inputShape to [time, features]",
    );
    expect(refusal(() => layers.simpleRNN({ units: 5 }).build(floats([B, 28, 28, 1]))).fix).toContain(
      "reshape",
    );
    expect(refusal(() => layers.simpleRNN({ units: 5 }).build(floats([B, 28, T]))).expected).toBe(
      "a known number of features",
    );
    const layer = layers.lstm({ units: 5, name: "l" });
    layer.build(floats([B, T, 3]));
    layer.build(floats([B, 7, 3]));
    expect(refusal(() => layer.build(floats([B, T, 4]))).message).toContain(
      'lstm "l": received [batch, time, 4], expected 3 features',
    );
  });
});

describe("dropout", () => {
  it("draws once for all steps, of the input and of the state apart", () => {
    const inputs = {
      x: array([[Array(8).fill(1), Array(8).fill(1)]]),
      kernel: array(
        Array.from({ length: 8 }, (_, i) => Array.from({ length: 8 }, (_u, j) => Number(i === j))),
      ),
      recurrent_kernel: array(Array.from({ length: 8 }, () => Array(8).fill(0))),
      seed: array([3, 0]),
    };
    const layer = layers.simpleRNN({
      units: 8,
      activation: "linear",
      useBias: false,
      dropout: 0.5,
      returnSequences: true,
    });
    const { outputs } = trace(layer, input("x", [1, 2, 8]), { training: true });
    const [steps] = computed(outputs[0], inputs) as number[][][];
    expect(steps?.[0]).toEqual(steps?.[1]);
    expect(new Set(steps?.[0])).toEqual(new Set([0, 2]));
    expect(trace(layer, input("x", [1, 2, 8])).outputs[0]?.node.op.name).toBe("transpose");
  });
});

/** y = h′ = h · decay + x, and a counter of steps as a second state; an encoder's value is read in every step. */
const definition = defineCell("DecayCell", { decay: fields.real(0.5) });
class DecayCell extends Cell<typeof definition.fields> {
  readonly offset: SymbolicTensor;
  constructor(offset: SymbolicTensor) {
    super(definition, {});
    this.offset = offset;
  }
  override get stateShapes() {
    return [[2], [1]];
  }
  override call(
    now: SymbolicTensor,
    [h = now, n = now]: readonly SymbolicTensor[],
    _context: WeightContext,
  ): CellOutput {
    const next = add(mul(h, this.settings.decay), now);
    return { output: add(next, this.offset), states: [next, add(n, 1)] };
  }
}

describe("a cell of one's own", () => {
  const offset = constant(Float32Array.of(100, 200), [2], "float32");
  const inputs = {
    x: array([
      [
        [1, 2],
        [3, 4],
        [5, 6],
      ],
    ]),
    mask: array([[1, 1, 0]]),
  };
  const given = input("x", [1, 3, 2]);

  it("runs over time, and its output is not its state", () => {
    const { outputs } = trace(layers.rnn({ cell: new DecayCell(offset), returnState: true }), given);
    expect(outputs.map((y) => computed(y, inputs))).toEqual([[[106.75, 208.5]], [[6.75, 8.5]], [[3]]]);
  });

  it("takes masks and runs backwards", () => {
    const masked = given.withMask(input("mask", [1, 3], "bool"));
    const run = (options: object) => {
      const layer = layers.rnn({ cell: new DecayCell(offset), returnState: true, ...options });
      return trace(layer, masked).outputs.map((y) => computed(y.withMask(undefined), inputs));
    };
    expect(run({})).toEqual([[[103.5, 205]], [[3.5, 5]], [[2]]]);
    expect(run({ goBackwards: true, returnSequences: true })[0]).toEqual([
      [
        [0, 0],
        [103, 204],
        [102.5, 204],
      ],
    ]);
    expect(run({ zeroOutputForMask: true, returnSequences: true })[0]).toEqual([
      [
        [101, 202],
        [103.5, 205],
        [0, 0],
      ],
    ]);
    expect(run({ zeroOutputForMask: true })[0]).toEqual([[0, 0]]);
  });

  it("must be a cell", () => {
    expect(refusal(() => layers.rnn({ cell: layers.dense({ units: 1 }) as never })).received).toBe("a Dense");
    expect(refusal(() => layers.rnn({ cell: [] })).expected).toBe("a list of cells");
    expect(refusal(() => layers.rnn({ cell: layers.lstmCell as never })).received).toBe(
      "the function lstmCell",
    );
    expect(refusal(() => layers.rnn({ cell: [null] as never })).received).toBe("null");
    const one = layers.lstmCell({ units: 1 });
    expect(refusal(() => layers.stackedRNNCells({ cells: one as never })).expected).toBe("a list of cells");
  });

  it("has one width in all its places", () => {
    const cell = layers.lstmCell({ units: 3 });
    layers.rnn({ cell }).build(floats([B, T, 5]));
    layers.rnn({ cell }).build(floats([B, T, 5]));
    const message =
      'rnn "other": lstmCell "lstm_cell": received steps of 3 features, expected 5 features, as in the sequences the cell was built for. Make a second cell';
    expect(refusal(() => layers.rnn({ cell, name: "other" }).build(floats([B, T, 3]))).message).toContain(
      message,
    );
    const again = layers.gruCell({ units: 3, name: "g" });
    expect(refusal(() => layers.rnn({ cell: [again, again] }).build(floats([B, T, 5]))).message).toContain(
      'gruCell "g": received steps of 3 features, expected 5 features',
    );
  });

  it("in two places of a stack has its weights once", () => {
    const cell = layers.lstmCell({ units: 3 });
    const layer = layers.rnn({ cell: [cell, cell] });
    layer.build(floats([B, T, 3]));
    expect(layer.weights().map(({ name }) => name)).toEqual([
      "lstm_cell/kernel",
      "lstm_cell/recurrent_kernel",
      "lstm_cell/bias",
    ]);
  });

  it.each<[string, (h: SymbolicTensor) => unknown, string]>([
    ["a pair, as Keras's cells", (h) => [h, [h]], "received a list from call"],
    ["nothing", () => undefined, "received nothing from call"],
    ["a state that is no list", (h) => ({ output: h, states: h }), "received an object from call"],
    ["a number", () => ({ output: 1, states: [] }), "received an object from call"],
  ])("that returns %s is named", (_, call, message) => {
    class Own extends DecayCell {
      override call(now: SymbolicTensor): CellOutput {
        return call(now) as CellOutput;
      }
    }
    for (const cell of [new Own(offset), [new Own(offset), new Own(offset)]]) {
      const error = refusal(() => layers.rnn({ cell, name: "mine" }).outputTypes(floats([1, 3, 2])));
      expect(error.message).toContain(`rnn "mine": decayCell "decay_cell": ${message}`);
      expect(error.fix).toContain("{ output: h, states: [h] }");
    }
  });

  it("that returns wrong states is refused", () => {
    class Wrong extends DecayCell {
      override call(now: SymbolicTensor): CellOutput {
        return { output: now, states: [now, now] };
      }
    }
    expect(refusal(() => trace(layers.rnn({ cell: new Wrong(offset) }), given)).received).toContain(
      "new states",
    );
  });
});
