import { describe, expect, test } from "vitest";
import type { TypedArray } from "../../src/dtype.js";
import { abi, codes } from "../../src/plan/abi.js";
import { Encoder, type MapSpec } from "../../src/plan/encode.js";
import type { Fault } from "../../src/runtime/fault.js";
import { backendOf, instructionSets, runInstructions, runWords } from "./harness.js";

const at = (buffer: number, offset = 0) => ({ buffer, offset });

/** out[i] += 1 for `count` floats of buffer `buffer`. */
const increment = (buffer: number, count: number): MapSpec => ({
  dims: [count],
  inputs: [{ ...at(buffer), dtype: "float32", strides: [1] }],
  outputs: [{ ...at(buffer), dtype: "float32", strides: [1], register: 0 }],
  steps: [
    { op: "constant", to: 1, args: [1] },
    { op: "add", to: 0, args: [0, 1] },
  ],
});

function wordsOf(emit: (encoder: Encoder) => void): Int32Array {
  const encoder = new Encoder();
  emit(encoder);
  return encoder.words();
}

/** A program with one of each of the instructions that are tested here, all valid. */
const sample = wordsOf((e) => {
  e.map(increment(0, 8));
  const reduction = { kind: 0, dtype: 0, scale: 1, work: at(3), kept: 1, reduced: 1 };
  e.emit("reduce", { ...reduction, x: at(0), out: at(1) }, [2, 4, 4, 1]);
  e.emit("gather", {
    table: at(0),
    ids: at(2),
    out: at(1),
    outer: 1,
    rows: 4,
    count: 2,
    inner: 2,
    bytes: 4,
    perRow: 0,
  });
  e.emit("scatterAdd", { x: at(0), ids: at(2), out: at(1), outer: 1, rows: 4, count: 2, inner: 2 });
  e.emit("softmax", { logarithm: 0, rows: 2, cols: 4, x: at(0), xRow: 4, out: at(1), outRow: 4 });
  const draw = {
    kind: 0,
    rows: 2,
    rowElements: 4,
    seed: at(2),
    step: null,
    rowBase: null,
    opId: 1,
    a: 0,
    b: 1,
  };
  e.emit("random", { ...draw, x: null, out: at(1) });
  e.loop(2, [{ buffer: 0, bytes: 16 }], (body) => body.map(increment(0, 4)));
});
const buffers = (): TypedArray[] => [
  new Float32Array(8),
  new Float32Array(8),
  Int32Array.of(1, 3),
  new Float32Array(8192),
];

describe.each(instructionSets)("the VM on %s", (set) => {
  const fault = async (words: Int32Array): Promise<Fault> => {
    const error = await runWords(await backendOf(set), buffers(), words).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (!(error instanceof Error)) throw new Error("the run did not stop");
    return error.cause as Fault;
  };

  test("loops advance buffers, nest and leave them where they were", async () => {
    const counts = new Float32Array(24);
    const [result, other] = await runInstructions(
      await backendOf(set),
      [counts, new Float32Array(4)],
      (e) => {
        e.loop(3, [{ buffer: 0, bytes: 32 }], (row) => {
          row.loop(2, [{ buffer: 0, bytes: 12 }], (cell) => {
            cell.map(increment(0, 3));
            cell.map(increment(1, 1));
          });
          row.map(increment(0, 1));
        });
        e.loop(0, [{ buffer: 0, bytes: 4 }], (never) => never.map(increment(0, 24)));
        e.map(increment(0, 1));
      },
    );
    expect([...(result ?? [])]).toEqual([
      ...[3, 1, 1, 1, 1, 1, 0, 0],
      ...[2, 1, 1, 1, 1, 1, 0, 0],
      ...[2, 1, 1, 1, 1, 1, 0, 0],
    ]);
    expect([...(other ?? [])]).toEqual([6, 0, 0, 0]);
  });

  test("a run stops at the first error and names the instruction, within loops too", async () => {
    const words = wordsOf((e) => {
      e.map(increment(0, 1));
      e.loop(3, [{ buffer: 0, bytes: 4 }], (body) => {
        body.map(increment(0, 1));
        const shape = { outer: 1, rows: 3, count: 2, inner: 1, bytes: 4, perRow: 0 };
        body.emit("gather", { ...shape, table: at(1), ids: at(2), out: at(1) });
      });
    });
    const gatherAt = words.length - (abi.gather.fields.split(" ").length + 3 + 2); // three pointers take two words
    expect(await fault(words)).toEqual({
      status: codes.status.indexOutOfRange,
      opcode: abi.gather.opcode,
      word: gatherAt,
      details: [1, 3, 3, 0],
    });
  });

  test("buffers are back in place after an error in a loop", async () => {
    const backend = await backendOf(set);
    const failing = wordsOf((e) =>
      e.loop(3, [{ buffer: 0, bytes: 4 }], (body) => body.emit("map", emptyMap, [99])),
    );
    await expect(runWords(backend, buffers(), failing)).rejects.toThrow("map");
    const [result] = await runWords(
      backend,
      buffers(),
      wordsOf((e) => e.map(increment(0, 1))),
    );
    expect(result?.[0]).toBe(1);
  });

  test.each([
    ["an unknown opcode", [77, 0], codes.status.unknownOpcode],
    ["half a header", [1], codes.status.truncated],
    ["a length beyond the end", [5, 100, 0], codes.status.truncated],
    ["a negative length", [5, -1], codes.status.truncated],
    ["too few fields", [4, 3, 0, 0, 0], codes.status.wrongLength],
    ["an unknown buffer", [6, 9, 0, 2, 4, 9, 0, 4, 1, 0, 4], codes.status.unknownBuffer],
    ["a missing operand", [6, 9, 0, 2, 4, -1, 0, 4, 1, 0, 4], codes.status.missingOperand],
    ["a negative size", [6, 9, 0, -2, 4, 0, 0, 4, 1, 0, 4], codes.status.wrongField],
    ["an unknown step", [1, 10, 0, 0, 0, 1, 1, 19, 0, 0, 0, 0], codes.status.unknownOpcode],
    ["a register too many", [1, 10, 0, 0, 0, 1, 1, 10, 0, 0, 1, 0], codes.status.wrongField],
    ["too many dimensions", [1, 5, 9, 0, 0, 0, 0], codes.status.wrongField],
    ["a loop without its body", [9, 3, 2, 0, 7], codes.status.wrongLength],
    ["a loop over an unknown buffer", [9, 5, 2, 1, 0, 4, 8], codes.status.unknownBuffer],
    ["a chain without its body", [10, 6, 2, 1, 1, 0, 0, 7], codes.status.wrongLength],
    ["a chain over an unknown buffer", [10, 8, 2, 1, 1, 0, 1, 0, 4, 8], codes.status.unknownBuffer],
    ["a chain of no rows at a time", [10, 6, 2, 0, 1, 0, 0, 0], codes.status.wrongField],
    ["a chain without a place", [10, 6, 2, 1, 0, 0, 0, 0], codes.status.wrongField],
    ["a chain with more between than moves", [10, 6, 2, 1, 1, 1, 0, 0], codes.status.wrongField],
  ] as const)("%s is an error", async (_, words, status) => {
    expect((await fault(Int32Array.from(words))).status).toBe(status);
  });

  test.each(["T", "B", "D", "H"])("a recurrent layer with %s = 0 is an error", async (size) => {
    const none = { mask: null, maskT: 0, maskB: 0, dropout: null, dw: null, du: null, db: null };
    const places = { x: at(0), hs: at(0), reserve: at(0), work: at(0) };
    const sizes = { T: 1, B: 1, D: 1, H: 1, [size]: 0 };
    const words = wordsOf((e) =>
      e.emit("rnnWeights", { cell: 0, ...sizes, ...none, ...places, xT: 1, xB: 1, ldh: 1 }),
    );
    expect((await fault(words)).status).toBe(codes.status.wrongField);
  });

  test("instructions that know no rows are refused in a chain", async () => {
    const words = wordsOf((e) =>
      e.around("chain", { rows: 4, together: 1, places: 1, inner: 0 }, [{ buffer: 0, bytes: 4 }], (body) =>
        body.map(increment(0, 1)),
      ),
    );
    expect(await fault(words)).toMatchObject({ status: codes.status.unknownOpcode, details: [1, 0, 0, 0] });
  });

  test("loops nested without end are an error", async () => {
    const nest = (encoder: Encoder, depth: number): void => {
      if (depth > 0) encoder.loop(1, [], (body) => nest(body, depth - 1));
    };
    expect((await fault(wordsOf((e) => nest(e, 40)))).status).toBe(codes.status.wrongField);
  });

  test("a valid program cut short, or with a wrong opcode or length, is always an error", async () => {
    const backend = await backendOf(set);
    await runWords(backend, buffers(), sample);
    const headers: number[] = [];
    for (let word = 0; word < sample.length; word += 2 + (sample[word + 1] ?? 0)) headers.push(word);
    for (let length = 1; length < sample.length; length++) {
      if (headers.includes(length)) continue;
      await expect(runWords(backend, buffers(), sample.slice(0, length))).rejects.toThrow("malformed");
    }
    for (const header of headers) {
      for (const [word, wrong] of [0, -1, 12, 2 ** 31 - 1].flatMap(
        (x) =>
          [
            [header, x],
            [header + 1, x],
          ] as const,
      )) {
        const words = sample.slice();
        words[word] = wrong;
        if (wrong === sample[word]) continue;
        await expect(runWords(backend, buffers(), words)).rejects.toThrow("malformed");
      }
    }
  });
});

const emptyMap = { rank: 0, inputs: 0, outputs: 0, steps: 0, registers: 0 };
