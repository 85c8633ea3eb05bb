import { describe, expect, it } from "vitest";
import { readIdx } from "./idx.js";

const header = (shape: readonly number[], type = 8) => [
  0,
  0,
  type,
  shape.length,
  ...shape.flatMap((size) => [size >>> 24, (size >>> 16) & 255, (size >>> 8) & 255, size & 255]),
];

describe("readIdx", () => {
  it("reads shape and bytes without a copy", () => {
    const bytes = Uint8Array.from([...header([2, 1, 2]), 1, 2, 3, 255]);
    const t = readIdx(bytes, "digits");
    expect(t.array()).toEqual([[[1, 2]], [[3, 255]]]);
    expect(t.data.buffer).toBe(bytes.buffer);
  });

  it("reads sizes beyond one byte", () => {
    expect(readIdx(Uint8Array.from([...header([300]), ...new Uint8Array(300)]), "labels").shape).toEqual([
      300,
    ]);
  });

  it.each<[string, number[], RegExp]>([
    ["an empty file", [], /read digits: received an empty file, expected an IDX file/],
    ["another format", [0x89, 0x50, 0x4e, 0x47, 1], /starts with the bytes 89 50 4e 47/],
    ["floats", header([1], 0x0d), /IDX elements of type 0x0d/],
    ["a cut header", header([3, 3]).slice(0, 9), /9 bytes, too few for a header of rank 2/],
    [
      "cut data",
      [...header([3]), 1, 2],
      /received 10 bytes \(truncated\), expected 11 bytes for shape \[3\]/,
    ],
    ["too much data", [...header([1]), 1, 2], /received 10 bytes, expected 9 bytes/],
  ])("refuses %s", (_, bytes, message) => {
    expect(() => readIdx(Uint8Array.from(bytes), "digits")).toThrow(message);
  });
});
