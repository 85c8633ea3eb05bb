import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Tensor, tensor, zeros } from "../tensor.js";
import { decodeSafetensors, encodeSafetensors } from "./safetensors.js";

/** A file put together by hand from its header and data. */
function file(header: unknown, data: Uint8Array): Uint8Array {
  const text = typeof header === "string" ? header : JSON.stringify(header);
  const result = Buffer.alloc(8 + text.length + data.length);
  result.writeBigUInt64LE(BigInt(text.length));
  result.write(text, 8, "latin1");
  result.set(data, 8 + text.length);
  return result;
}

const floats = new Uint8Array(Float32Array.of(1, -2).buffer);
const entry = { dtype: "F32", shape: [2], data_offsets: [0, 8] };

describe("encodeSafetensors", () => {
  it("writes the header's length, the header and aligned data", () => {
    const bytes = encodeSafetensors(
      [
        ["mask", tensor([true, false, true])],
        ["w", tensor([[1, -2]])],
      ],
      { epoch: "3" },
    );
    const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    expect((8 + length) % 64).toBe(0);
    expect(JSON.parse(Buffer.from(bytes.subarray(8, 8 + length)).toString())).toEqual({
      __metadata__: { epoch: "3" },
      w: { dtype: "F32", shape: [1, 2], data_offsets: [0, 8] },
      mask: { dtype: "BOOL", shape: [3], data_offsets: [8, 11] },
    });
    expect(bytes.subarray(8 + length)).toEqual(Uint8Array.of(...floats, 1, 0, 1));
  });

  it("takes an object and a Map as it takes pairs", () => {
    const named = { w: tensor([1, -2]), mask: tensor([true]) };
    const bytes = encodeSafetensors(Object.entries(named));
    expect(encodeSafetensors(named)).toEqual(bytes);
    expect(encodeSafetensors(new Map(Object.entries(named)))).toEqual(bytes);
  });

  it.each<[string, unknown, RegExp]>([
    ["tensors without names", [tensor([1])], /received a Tensor without a name.*model\.weightNames\(\)/],
    ["arrays", { w: Float32Array.of(1) }, /received a Float32Array as "w", expected tensors by name/],
    ["names that are no text", [[1, tensor([1])]], /received the name 1,/],
    ["nothing", undefined, /received undefined, expected tensors by name/],
  ])("refuses %s", (_, given, message) => {
    expect(() => encodeSafetensors(given as Record<string, Tensor>)).toThrow(message);
  });

  it("refuses two tensors of one name", () => {
    const pair: [string, Tensor] = ["w", tensor([1])];
    expect(() => encodeSafetensors([pair, pair])).toThrow(/the name "w" twice/);
  });
});

describe("decodeSafetensors", () => {
  it("returns what was written, without a copy", () => {
    const value = fc.float({ noNaN: false });
    const anyTensor = fc.oneof(
      fc
        .array(value, { minLength: 1, maxLength: 9 })
        .map((list) => tensor(Float32Array.from(list), [1, list.length])),
      fc.array(fc.integer(), { minLength: 1, maxLength: 9 }).map((list) => tensor(Int32Array.from(list))),
      fc.uint8Array({ minLength: 1, maxLength: 9 }).map((list) => tensor(list)),
      fc.array(fc.boolean(), { minLength: 1, maxLength: 9 }).map((list) => tensor(list)),
      fc.constant(zeros([2, 0])),
      fc.constant(tensor(0.5)),
    );
    fc.assert(
      fc.property(fc.dictionary(fc.string(), anyTensor), (written) => {
        const bytes = encodeSafetensors(Object.entries(written));
        const { tensors } = decodeSafetensors(bytes, "file");
        expect(Object.fromEntries(tensors)).toEqual({ ...written });
        for (const read of tensors.values()) expect(read.data.buffer).toBe(bytes.buffer);
      }),
    );
  });

  it("reads data that is not aligned", () => {
    const header = {
      b: { dtype: "U8", shape: [1], data_offsets: [0, 1] },
      w: { ...entry, data_offsets: [1, 9] },
    };
    const { tensors } = decodeSafetensors(file(header, Uint8Array.of(7, ...floats)), "file");
    expect(tensors.get("w")?.array()).toEqual([1, -2]);
  });

  it("keeps names that objects have of their own, and reads bytes of another realm", () => {
    const names = ["__proto__", "constructor", "a"];
    const encoded = encodeSafetensors(names.map((name, i) => [name, tensor([i])] as const));
    const foreign: Uint8Array = runInNewContext("Uint8Array.from(bytes)", { bytes: [...encoded] });
    for (const bytes of [encoded, foreign, Buffer.from(encoded)]) {
      const { tensors } = decodeSafetensors(bytes);
      expect([...tensors].map(([name, t]) => [name, t.array()])).toEqual(names.map((name, i) => [name, [i]]));
    }
  });

  it("names itself where the file has no name, and refuses what is no bytes", () => {
    expect(() => decodeSafetensors(new Uint8Array())).toThrow(/^read safetensors: received 0 bytes/);
    expect(() => decodeSafetensors(new ArrayBuffer(8) as unknown as Uint8Array)).toThrow(
      /received an ArrayBuffer, expected a Uint8Array.*new Uint8Array/,
    );
  });

  it("reads metadata", () => {
    expect(decodeSafetensors(file({ __metadata__: { a: "b" } }, new Uint8Array()), "file").metadata).toEqual({
      a: "b",
    });
  });

  it.each<[string, Uint8Array, RegExp]>([
    ["an empty file", new Uint8Array(), /read file: received 0 bytes, expected a safetensors file/],
    [
      "another format",
      Buffer.from("<!DOCTYPE html>"),
      /received a header length of \d+ in a file of 15 bytes/,
    ],
    ["a header that is no JSON", file("{", floats), /a header that is not a JSON object/],
    ["a header that is a list", file([], floats), /a header that is not a JSON object/],
    [
      "metadata that is not text",
      file({ __metadata__: { a: 1 } }, new Uint8Array()),
      /metadata that is not text/,
    ],
    [
      "an entry without a shape",
      file({ w: { ...entry, shape: 2 } }, floats),
      /for "w", expected dtype, shape and/,
    ],
    [
      "an unknown dtype",
      file({ w: { ...entry, dtype: "F16" } }, floats),
      /the dtype F16 of "w", expected one of F32/,
    ],
    [
      "a dtype that every object has",
      file({ w: { ...entry, dtype: "constructor" } }, floats),
      /the dtype constructor of "w", expected one of F32/,
    ],
    [
      "a truncated file",
      file({ w: entry }, floats.subarray(0, 7)),
      /bytes 0 to 8 for "w" in a file with 7 bytes of data/,
    ],
    [
      "a shape of another size",
      file({ w: { ...entry, shape: [3] } }, floats),
      /8 bytes for "w" of shape \[3\] .* expected 12/,
    ],
    ["overlapping tensors", file({ v: entry, w: entry }, floats), /data that overlaps at byte 0/],
    [
      "a gap",
      file({ w: { ...entry, data_offsets: [4, 12] } }, Uint8Array.of(0, 0, 0, 0, ...floats)),
      /leaves a gap at byte 4/,
    ],
    ["trailing bytes", file({ w: entry }, Uint8Array.of(...floats, 0)), /1 bytes after the last tensor/],
  ])("refuses %s", (_, bytes, message) => {
    expect(() => decodeSafetensors(bytes, "file")).toThrow(message);
  });
});
