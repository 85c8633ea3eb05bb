import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { codes } from "./abi.js";
import { bitsFloat, decode, Encoder, floatBits } from "./encode.js";
import { printWords } from "./print.js";

function sample(): Int32Array {
  const encoder = new Encoder();
  encoder.map({
    dims: [4, 5],
    inputs: [
      { buffer: 3, offset: 8, dtype: "float32", strides: [5, 1] },
      { buffer: 4, offset: 0, dtype: "bool", strides: [0, 1] },
    ],
    outputs: [{ buffer: 5, offset: 0, dtype: "float32", strides: [5, 1], register: 3 }],
    steps: [
      { op: "constant", to: 2, args: [0.5] },
      { op: "mul", to: 2, args: [0, 2] },
      { op: "select", to: 3, args: [1, 2, 0] },
    ],
  });
  encoder.loop(3, [{ buffer: 5, bytes: 80 }], (body) => {
    const [kind, dtype] = [codes.reduction.sum, codes.dtype.float32];
    const reduction = { kind, dtype, work: null, scale: 0.25, kept: 1, reduced: 1 };
    body.emit(
      "reduce",
      { ...reduction, x: { buffer: 5, offset: 0 }, out: { buffer: 6, offset: 2 } },
      [4, 5, 5, 1],
    );
  });
  return encoder.words();
}

test("a program prints as stable text", () => {
  expect(printWords(sample())).toMatchInlineSnapshot(`
    "    0  map [4, 5]
             r0 = float32 b3+8 [5, 1]
             r1 = bool b4+0 [0, 1]
             r2 = 0.5
             r2 = mul r0 r2
             r3 = select r1 r2 r0
             float32 b5+0 [5, 1] = r3
       40  loop 3 b5+=80
                 0  reduce kind sum dtype float32 x b5+0 out b6+2 work - scale 0.25 kept 1 reduced 1 | 4 5 5 1
    "
  `);
});

test("decode gives back what emit was given", () => {
  const fields = {
    kind: codes.distribution.dropout,
    x: null,
    out: { buffer: 2, offset: 7 },
    rows: 2,
    rowElements: 12,
    seed: { buffer: 0, offset: 0 },
    step: null,
    rowBase: null,
    opId: -5,
    a: 0.1,
    b: -2.5e-30,
  };
  const encoder = new Encoder();
  encoder.emit("random", fields, [1, 2]);
  expect(encoder.length).toBe(2 + 16 + 2);
  const [instruction] = decode(encoder.words());
  expect(instruction?.name).toBe("random");
  expect(instruction?.fields).toEqual({ ...fields, a: Math.fround(0.1), b: Math.fround(-2.5e-30) });
  expect([...(instruction?.tail ?? [])]).toEqual([1, 2]);
});

test("a number that does not fit in a word is an error", () => {
  const encoder = new Encoder();
  const loop = (count: number) => () => encoder.emit("loop", { count, advances: 0, bodyWords: 0 });
  expect(loop(2 ** 31)).toThrow("program: loop, operand word 0: received 2147483648");
  expect(loop(0.5)).toThrow("received 0.5");
  expect(encoder.length).toBe(0);
});

test("words that are no program are an error", () => {
  const words = sample();
  expect(() => decode(words.subarray(0, words.length - 1))).toThrow("expected an opcode");
  expect(() => decode(Int32Array.of(9999, 0))).toThrow("9999, 0 at 0 of 2");
});

test("float words keep every bit", () => {
  for (const value of [0, -0, 1.5, Number.POSITIVE_INFINITY, 2 ** -149])
    expect(bitsFloat(floatBits(value))).toBe(value);
  expect(bitsFloat(floatBits(Number.NaN))).toBeNaN();
});

test("abi.ts and instructions.ts are what scripts/generate-abi.mjs writes from abi.def", async () => {
  const script = new URL("../../scripts/generate-abi.mjs", import.meta.url);
  const { generate } = (await import(script.href)) as {
    generate: (definitions: string) => { readonly abi: string; readonly described: string };
  };
  const definitions = readFileSync(new URL("../../kernels/abi.def", import.meta.url), "utf8");
  const written = {
    abi: readFileSync(new URL("./abi.ts", import.meta.url), "utf8"),
    described: readFileSync(new URL("../graph/instructions.ts", import.meta.url), "utf8"),
  };
  expect(written, "run `node scripts/generate-abi.mjs`").toEqual(generate(definitions));
});
