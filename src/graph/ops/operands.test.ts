import { describe, expect, it } from "vitest";
import { tensor } from "../../tensor.js";
import type { SymbolicTensor } from "../ir.js";
import * as ops from "../public.js";
import { input } from "./source.js";

const x = input("x", [2, 3]);

/** Every builder that takes a value of a graph, called with `y` in its place. */
const builders: Readonly<Record<string, (y: SymbolicTensor) => unknown>> = {
  "add, left": (y) => ops.add(y, 1),
  "add, right": (y) => ops.add(x, y),
  div: (y) => ops.div(y, x),
  pow: (y) => ops.pow(x, y),
  less: (y) => ops.less(y, 0),
  "where, condition": (y) => ops.where(y, x, 0),
  "where, value": (y) => ops.where(ops.greater(x, 0), y, x),
  clipByValue: (y) => ops.clipByValue(y, 0, 1),
  neg: (y) => ops.neg(y),
  tanh: (y) => ops.tanh(y),
  cast: (y) => ops.cast(y, "float32"),
  sum: (y) => ops.sum(y),
  mean: (y) => ops.mean(y, 0),
  logSumExp: (y) => ops.logSumExp(y),
  argMax: (y) => ops.argMax(y),
  softmax: (y) => ops.softmax(y),
  "matMul, left": (y) => ops.matMul(y, x),
  "matMul, right": (y) => ops.matMul(x, y, true),
  reshape: (y) => ops.reshape(y, [2]),
  expandDims: (y) => ops.expandDims(y, 0),
  squeeze: (y) => ops.squeeze(y),
  transpose: (y) => ops.transpose(y),
  slice: (y) => ops.slice(y, [0]),
  reverse: (y) => ops.reverse(y, 0),
  broadcastTo: (y) => ops.broadcastTo(y, [2]),
  stopGradient: (y) => ops.stopGradient(y),
  guard: (y) => ops.guard(y, x),
  withoutMask: (y) => ops.withoutMask(y),
  concat: (y) => ops.concat([y, x]),
  stack: (y) => ops.stack([x, y]),
  split: (y) => ops.split(y, [1, 1]),
  pad: (y) => ops.pad(y, [[1, 1]]),
  "gather, table": (y) => ops.gather(y, x),
  "gather, indices": (y) => ops.gather(x, y),
  oneHot: (y) => ops.oneHot(y, 2),
  zerosLike: (y) => ops.zerosLike(y),
  dropout: (y) => ops.dropout(y, 0.5, { seed: x }, 0),
  scan: (y) => ops.scan({ sequences: [y], states: [], step: () => ({ outputs: [], states: [] }) }),
};

describe("operands", () => {
  const junk = { "a Tensor": tensor([1, 2]), "a list": [1, 2], undefined, null: null, '"1"': "1" };
  for (const [name, build] of Object.entries(builders)) {
    it(`of ${name} are values of a graph`, () => {
      for (const [text, given] of Object.entries(junk)) {
        expect(() => build(given as never)).toThrow(
          new RegExp(`^\\w+: received ${text} as an operand, expected a value of a graph.*plain arrays\\.$`),
        );
      }
    });
  }

  it.each<[string, () => unknown, RegExp]>([
    [
      "concat of single operands",
      () => ops.concat(x as never),
      /concat: received a SymbolicTensor for its operands/,
    ],
    ["stack of none", () => ops.stack([]), /stack: received no operands/],
    ["reshape to a number", () => ops.reshape(x, 6 as never), /reshape: received 6 for a shape/],
    ["zeros of a number", () => ops.zeros(3 as never), /received 3 for a shape/],
    [
      "constant of a list",
      () => ops.constant([1] as never, [1], "float32"),
      /constant: received a list of 1 elem/,
    ],
    [
      "constant of nothing",
      () => ops.constant(undefined as never, [1], "float32"),
      /constant: received undefined/,
    ],
    [
      "constant of no dtype",
      () => ops.constant(Float32Array.of(1), [1], "float64" as never),
      /unknown dtype "float64"/,
    ],
    ["zeros of no dtype", () => ops.zeros([1], "float64" as never), /unknown dtype "float64"/],
    ["cast to no dtype", () => ops.cast(x, "float64" as never), /cast: received the unknown dtype "float64"/],
  ])("refuses %s", (_, build, message) => {
    expect(build).toThrow(message);
  });
});
