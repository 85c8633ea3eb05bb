import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, expectTypeOf, it } from "vitest";
import { Tensor, type TensorLike } from "../tensor.js";
import { type PadOptions, padSequences } from "./padding.js";

const golden: {
  readonly pad: readonly {
    sequences: TensorLike[];
    options: PadOptions<"int32" | "float32">;
    result: unknown;
  }[];
} = JSON.parse(readFileSync(new URL("../../tests/golden/preprocessing/keras.json", import.meta.url), "utf8"));

describe("padSequences", () => {
  it.each(golden.pad)("of $sequences with $options is Keras's", ({ sequences, options, result }) => {
    const padded = padSequences(sequences, options);
    expect(padded.array()).toEqual(result);
    expect(padded.dtype).toBe(options.dtype ?? "int32");
  });

  it("has the dtype that was asked for in its type", () => {
    expectTypeOf(padSequences([[1]])).toEqualTypeOf<Tensor<"int32">>();
    expectTypeOf(padSequences([[1]], { dtype: "float32" })).toEqualTypeOf<Tensor<"float32">>();
    expect(
      padSequences([Int32Array.of(7), new Tensor(Float32Array.of(1, 2), [2], "float32")]).array(),
    ).toEqual([
      [0, 7],
      [1, 2],
    ]);
  });

  it("is as long as it was told or as the longest, and keeps each sequence at one end", () => {
    const side = fc.constantFrom("pre" as const, "post" as const);
    const sequences = fc.array(fc.array(fc.integer({ min: 1, max: 9 })));
    fc.assert(
      fc.property(
        sequences,
        fc.option(fc.integer({ min: 1, max: 12 })),
        side,
        side,
        (all, maxlen, padding, truncating) => {
          const steps = maxlen ?? Math.max(0, ...all.map(({ length }) => length));
          const padded = padSequences(all, { maxlen, padding, truncating });
          expect(padded.shape).toEqual([all.length, steps]);
          for (const [i, sequence] of all.entries()) {
            const row = [...padded.rows(i, i + 1).data].filter((value) => value !== 0);
            expect(row).toEqual(truncating === "post" ? sequence.slice(0, steps) : sequence.slice(-steps));
            if (row.length > 0 && row.length < steps)
              expect(padded.get(i, padding === "pre" ? 0 : steps - 1)).toBe(0);
          }
        },
      ),
    );
  });

  it.each<[string, () => unknown, RegExp]>([
    [
      "fractions",
      () => padSequences([[1], [2, 0.5]]),
      /sequence 1: received the value 0.5 for dtype int32 at \[1\]/,
    ],
    ["a value that does not fit", () => padSequences([[1]], { value: 0.5 }), /value: received the value 0.5/],
    ["a number in place of a sequence", () => padSequences([1, 2]), /the number 1 for sequence 0/],
    [
      "steps of different sizes",
      () => padSequences([[], [[1, 2]], [[1]]]),
      /shape \[1\] in sequence 2, expected shape \[2\]/,
    ],
    ["no length", () => padSequences([[1]], { maxlen: 0 }), /maxlen: 0/],
    ["a side that there is not", () => padSequences([[1]], { padding: "left" as never }), /padding "left"/],
    ["what is no list", () => padSequences("abc" as never), /a list of sequences/],
  ])("refuses %s", (_, act, message) => expect(act).toThrow(message));
});
