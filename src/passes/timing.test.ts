import { describe, expect, it } from "vitest";
import * as ops from "../graph/build.js";
import { symbol } from "../graph/dim.js";
import { apply, type SymbolicTensor } from "../graph/ir.js";
import { scatterAddOp } from "../graph/ops/gather.js";
import { along, type Timing, Timings } from "./timing.js";

const [B, T] = [symbol("B"), symbol("T")];

/** What becomes of x [B, T, 4] (and a state s [B, 4] that goes on) in a computation. */
function timingOf(compute: (x: SymbolicTensor, s: SymbolicTensor) => SymbolicTensor): Timing {
  const timings = new Timings("T");
  const [x, s] = [ops.input("x", [B, T, 4]), ops.input("s", [B, 4])];
  timings.set(x, along(1));
  timings.carry(s);
  return timings.of(compute(x, s));
}

const weights = ops.input("w", [4, 3]);
const time = (x: SymbolicTensor) => ops.transpose(x, [1, 0, 2]);
/** Sums over time from a state. */
const summed = (x: SymbolicTensor, state: SymbolicTensor) =>
  ops.scan({
    sequences: [time(x)],
    states: [state],
    step: ([now = x], [before = x]) => {
      const sum = ops.add(now, before);
      return { outputs: [sum], states: [sum] };
    },
  });
const finalOf = (x: SymbolicTensor, state: SymbolicTensor) => summed(x, state).states[0] ?? x;
const eachOf = (x: SymbolicTensor, state: SymbolicTensor) => summed(x, state).outputs[0] ?? x;

describe("timing of values", () => {
  it.each<[string, number, (x: SymbolicTensor, s: SymbolicTensor) => SymbolicTensor]>([
    ["elementwise", 1, (x) => ops.tanh(ops.add(x, 1))],
    ["with a weight of every feature", 1, (x) => ops.mul(x, ops.input("g", [4]))],
    ["with a value of every row", 1, (x, s) => ops.add(x, ops.expandDims(s, 1))],
    ["transposed", 0, time],
    ["a product with weights", 1, (x) => ops.matMul(x, weights)],
    ["a sum over features", 1, (x) => ops.sum(x, -1)],
    ["a sum over rows", 0, (x) => ops.sum(x, 0)],
    ["softmax over features", 1, (x) => ops.softmax(x)],
    ["joined along features", 1, (x) => ops.concat([x, ops.exp(x)], -1)],
    ["some features", 1, (x) => ops.slice(x, [0, 0, 1], [-1, -1, 2])],
    ["looked up", 1, (x) => ops.gather(ops.input("t", [9, 5]), ops.cast(ops.sum(x, -1), "int32"))],
    ["another axis in front", 2, (x) => ops.expandDims(x, 0)],
    ["repeated", 2, (x) => ops.broadcastTo(x, [7, B, T, 4])],
    ["rows of steps and back", 1, (x) => ops.reshape(ops.exp(ops.reshape(x, [-1, 4])), [B, T, 2, 2])],
    ["a recurrence that goes on", 0, (x, s) => eachOf(x, s)],
    [
      "a recurrence within every step",
      1,
      (x) =>
        ops.scan({
          sequences: [ops.transpose(x, [2, 0, 1])],
          states: [ops.zeros([B, T])],
          step: ([now = x], [before = x]) => ({ outputs: [now], states: [ops.add(now, before)] }),
        }).states[0] ?? x,
    ],
  ])("keeps steps apart: %s", (_, axis, compute) => {
    expect(timingOf(compute)).toMatchObject({ kind: "each", axis, before: 1, after: 1 });
  });

  it("knows what is left after the last step, and what hangs on none", () => {
    expect(timingOf((x, s) => ops.exp(finalOf(x, s))).kind).toBe("last");
    expect(timingOf((x) => ops.reshape(ops.slice(x, [0, -1], [-1, 1]), [B, 4])).kind).toBe("last");
    expect(timingOf((_, s) => ops.matMul(s, weights)).kind).toBe("none");
    expect(timingOf(() => ops.size(4)).kind).toBe("none");
    expect(timingOf((x) => ops.reshape(x, [-1, 4]))).toMatchObject({ kind: "each", axis: 0, before: B });
  });

  it.each<[string, (x: SymbolicTensor, s: SymbolicTensor) => SymbolicTensor]>([
    ["backwards", (x) => ops.reverse(x, 1)],
    ["takes all time steps together", (x) => ops.max(x, 1)],
    ["takes all time steps together", (x) => ops.mean(x, [1, 2])],
    ["takes some of the time steps out", (x) => ops.slice(x, [0, 1], [-1, -1])],
    ["puts sequences one behind the other", (x) => ops.concat([x, x], 1)],
    ["normalised over the time steps", (x) => ops.softmax(x, 1)],
    ["sums over the time steps", (x) => ops.matMul(x, x, true, false)],
    ["mixes different steps", (x) => ops.matMul(x, x, false, true)],
    ["mixes different steps", (x) => ops.add(ops.expandDims(x, 1), ops.expandDims(x, 2))],
    ["mixes the time steps with other axes", (x) => ops.reshape(ops.transpose(x, [0, 2, 1]), [B, T, 4])],
    ["after the last one alone", (x, s) => ops.add(x, ops.expandDims(finalOf(x, s), 1))],
    ["begin anew with every call", (x) => eachOf(x, ops.zeros([B, 4]))],
    ["from states that other steps give", (x, s) => eachOf(x, finalOf(x, s))],
    ["something else than the steps of the stream", (_, s) => eachOf(ops.input("y", [B, 3, 4]), s)],
    ["draws random numbers", (x) => ops.dropout(x, 0.5, { seed: ops.input("seed", [2], "int32") }, 1)],
    ["counts the time steps", () => ops.size(T)],
    [
      "the op scatterAdd",
      (x) => {
        const ids = ops.cast(ops.sum(x, -1), "int32");
        return apply(scatterAddOp, [x, ids], { axis: 0, size: 9 });
      },
    ],
  ])("says what would hang on how the steps are cut: %s", (why, compute) => {
    const timing = timingOf(compute);
    expect(timing).toMatchObject({ kind: "whole", why: expect.stringContaining(why) });
    expect(timingOf((x, s) => ops.exp(compute(x, s)))).toEqual(timing);
  });
});
