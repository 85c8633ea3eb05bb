import { describe, expect, it } from "vitest";
import { refusal } from "../../../tests/arrays.js";
import { symbol } from "../../graph/dim.js";
import { type SymbolicTensor, topological } from "../../graph/ir.js";
import type { RnnAttrs } from "../../graph/ops/rnn.js";
import { input } from "../../graph/ops/source.js";
import { trace } from "../context.case.js";
import { type Layer, layers, type Weight } from "../index.js";
import { floats } from "../layer.js";

const B = symbol("B");
const T = symbol("T");
const x = input("x", [B, T, 3]);
const sizes = (y: SymbolicTensor | undefined) => y?.shape.map(String);
const weightsOf = (layer: Layer) => layer.weights().map(({ name, shape }) => [name, shape]);

describe("bidirectional", () => {
  it.each([
    ["concat", false, [["B", "10"]]],
    ["concat", true, [["B", "T", "10"]]],
    ["sum", true, [["B", "T", "5"]]],
    ["mul", false, [["B", "5"]]],
    ["ave", false, [["B", "5"]]],
    [
      null,
      true,
      [
        ["B", "T", "5"],
        ["B", "T", "5"],
      ],
    ],
  ] as const)("mergeMode %s, returnSequences %s gives %j", (mergeMode, returnSequences, shapes) => {
    const layer = layers.bidirectional({ layer: layers.lstm({ units: 5, returnSequences }), mergeMode });
    expect(trace(layer, x).outputs.map(sizes)).toEqual(shapes);
  });

  it("copies the layer, and names its weights by direction", () => {
    const inner = layers.lstm({ units: 2, useBias: false });
    const layer = layers.bidirectional({ layer: inner });
    trace(layer, x);
    expect(inner.built).toBe(false);
    expect(weightsOf(layer)).toEqual([
      ["forward_lstm/kernel", [3, 8]],
      ["forward_lstm/recurrent_kernel", [2, 8]],
      ["backward_lstm/kernel", [3, 8]],
      ["backward_lstm/recurrent_kernel", [2, 8]],
    ]);
    expect(layer.forward.path).toBe("bidirectional/forward_lstm");
  });

  it("runs a copy of the user's cells in each direction", () => {
    const layer = layers.bidirectional({
      layer: layers.rnn({ cell: [layers.lstmCell({ units: 2 }), layers.lstmCell({ units: 2 })] }),
    });
    trace(layer, x);
    const names = layer.weights().map(({ name }) => name);
    expect(names).toHaveLength(12);
    expect(new Set(names).size).toBe(12);
    expect(names[3]).toBe("forward_rnn/lstm_cell_1/kernel");
  });

  it("returns the states of both, keeps the mask, and has both states when stateful", () => {
    const mask = input("mask", [2, T], "bool");
    const inner = layers.gru({ units: 5, returnState: true, returnSequences: true, stateful: true });
    const layer = layers.bidirectional({ layer: inner });
    const { outputs } = trace(layer, input("x", [2, T, 3]).withMask(mask));
    expect(outputs.map(sizes)).toEqual([
      ["2", "T", "10"],
      ["2", "5"],
      ["2", "5"],
    ]);
    expect(outputs[0]?.mask).toBe(mask);
    expect(layer.states().map(({ name }) => name)).toEqual([
      "bidirectional/forward_gru/state_0",
      "bidirectional/backward_gru/state_0",
    ]);
  });

  it("takes another backward layer", () => {
    const layer = layers.bidirectional({
      layer: layers.lstm({ units: 5 }),
      backwardLayer: layers.gru({ units: 4, goBackwards: true }),
    });
    expect(trace(layer, x).outputs.map(sizes)).toEqual([["B", "9"]]);
  });

  it("refuses directions and flags that do not go together", () => {
    const of = (backwardLayer: ReturnType<typeof layers.lstm>, layer = layers.lstm({ units: 5 })) =>
      refusal(() => layers.bidirectional({ layer, backwardLayer }));
    expect(of(layers.lstm({ units: 5 })).expected).toBe("goBackwards in the backward layer alone");
    expect(of(layers.lstm({ units: 5, goBackwards: true, returnState: true })).received).toBe(
      "returnState: false in layer and true in backwardLayer",
    );
    expect(
      refusal(() => layers.bidirectional({ layer: layers.lstm({ units: 5, goBackwards: true }) })).fix,
    ).toContain("Leave goBackwards out of layer");
    expect(refusal(() => layers.bidirectional({ layer: layers.dense({ units: 5 }) as never })).received).toBe(
      "the layer dense",
    );
    expect(
      refusal(() =>
        layers.bidirectional({ layer: layers.lstm({ units: 5 }), mergeMode: "cocnat" as "concat" }),
      ).fix,
    ).toBe('Did you mean "concat"?');
  });

  it("names the inner layer for a wrong input", () => {
    const layer = layers.bidirectional({ layer: layers.lstm({ units: 5 }) });
    expect(refusal(() => trace(layer, input("x", [B, 3]))).message).toBe(
      'lstm "forward_lstm": received [batch, 3], expected [batch, time, features]. Set returnSequences: true on the layer before; flatten steps one by one with timeDistributed; or make a time axis with reshape.',
    );
  });

  it("is named where it cannot merge, and says what its own inputShape lacks", () => {
    const unequal = layers.bidirectional({
      layer: layers.lstm({ units: 2 }),
      backwardLayer: layers.lstm({ units: 3, goBackwards: true }),
      mergeMode: "sum",
      name: "both",
    });
    expect(refusal(() => unequal.outputTypes(floats(x.shape))).message).toContain(
      'bidirectional "both": add: received shapes [B, 2] and [B, 3]',
    );
    const first = layers.bidirectional({ layer: layers.lstm({ units: 2 }), inputShape: [4] });
    expect(refusal(() => first.outputTypes(floats([B, 4]))).fix).toBe("Set inputShape to [time, features]");
    expect(refusal(() => layers.bidirectional({ layer: layers.lstm as never })).received).toBe(
      "the function lstm",
    );
  });

  it("drops with other draws in each direction", () => {
    const layer = layers.bidirectional({ layer: layers.lstm({ units: 5, dropout: 0.5 }) });
    const { outputs } = trace(layer, x, { training: true });
    const draws = topological(outputs).filter(({ op }) => op.name === "randomMask");
    expect(new Set(draws.map(({ attrs }) => (attrs as { stream: number }).stream)).size).toBe(2);
  });
});

describe("stacked cells", () => {
  const cells = () => [
    layers.lstmCell({ units: 4 }),
    layers.gruCell({ units: 6 }),
    layers.lstmCell({ units: 2 }),
  ];

  it("feed each other, with all their states", () => {
    const { outputs } = trace(layers.rnn({ cell: cells(), returnState: true }), x);
    expect(outputs.map(sizes)).toEqual([
      ["B", "2"],
      ["B", "4"],
      ["B", "4"],
      ["B", "6"],
      ["B", "2"],
      ["B", "2"],
    ]);
  });

  it("name their weights by cell", () => {
    const layer = layers.rnn({ cell: layers.stackedRNNCells({ cells: cells() }) });
    trace(layer, x);
    expect(weightsOf(layer)).toEqual([
      ["lstm_cell/kernel", [3, 16]],
      ["lstm_cell/recurrent_kernel", [4, 16]],
      ["lstm_cell/bias", [16]],
      ["gru_cell/kernel", [4, 18]],
      ["gru_cell/recurrent_kernel", [6, 18]],
      ["gru_cell/bias", [2, 18]],
      ["lstm_cell_1/kernel", [6, 8]],
      ["lstm_cell_1/recurrent_kernel", [2, 8]],
      ["lstm_cell_1/bias", [8]],
    ]);
  });

  it("drop their inputs and states each by itself", () => {
    const cell = [
      layers.lstmCell({ units: 4, dropout: 0.5 }),
      layers.gruCell({ units: 6, dropout: 0.5, recurrentDropout: 0.5 }),
    ];
    const { outputs } = trace(layers.rnn({ cell }), x, { training: true });
    const draws = topological(outputs).filter(({ op }) => op.name === "randomMask");
    expect(draws.map(({ outputs: [y] }) => y?.shape.map(String)).sort()).toEqual([
      ["B", "3"],
      ["B", "4"],
      ["B", "6"],
    ]);
    expect(trace(layers.rnn({ cell }), x).outputs.length).toBe(1);
  });

  it("run their fused kernels, one after the other", () => {
    const kinds = (layer: Layer) =>
      topological(trace(layer, x).outputs).flatMap(({ op, attrs }) =>
        op.name === "rnn" ? [(attrs as RnnAttrs).cell] : op.name === "scan" ? ["scan"] : [],
      );
    const nested = [
      layers.stackedRNNCells({ cells: [layers.lstmCell({ units: 4 }), layers.gruCell({ units: 4 })] }),
    ];
    expect(kinds(layers.rnn({ cell: nested }))).toEqual(["lstm", "gru"]);
    expect(
      kinds(
        layers.rnn({
          cell: [layers.lstmCell({ units: 4, activation: "mish" }), layers.gruCell({ units: 4 })],
        }),
      ),
    ).toEqual(["scan", "gru"]);
  });

  it("can be called step by step, from another cell", () => {
    const stack = layers.stackedRNNCells({ cells: cells() });
    stack.build([2, 3]);
    const states = stack.stateShapes.map((shape, i) => input(`s${i}`, [2, ...shape]));
    const context = {
      training: false,
      random: { seed: input("seed", [2], "int32") },
      countDraw: () => 0,
      weight: (w: Weight) => input(w.name, w.shape),
    };
    const { output, states: after } = stack.call(input("x", [2, 3]), states, context);
    expect(output.shape).toEqual([2, 2]);
    expect(after.map(({ shape }) => shape)).toEqual(states.map(({ shape }) => shape));
  });
});
