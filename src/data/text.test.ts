import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { collect, pieces } from "./streams.case.js";
import { readLines } from "./text.js";

const lines = (source: Parameters<typeof readLines>[0], encoding?: string) =>
  collect(readLines(source, encoding === undefined ? {} : { encoding }));

const encode = (text: string) => new TextEncoder().encode(text);

describe("readLines", () => {
  it("gives lines without their ends and without a byte order mark", async () => {
    expect(await lines(encode("\ufeffa\r\n\nb\rc\n"))).toEqual(["a", "", "b\rc"]);
    expect(await lines(encode("a\nb"))).toEqual(["a", "b"]);
    expect(await lines(encode("\n"))).toEqual([""]);
  });

  it("gives the same lines however the bytes come", async () => {
    const line = fc
      .string({ unit: fc.constantFrom("a", "é", "中", "😀", " ", "\r") })
      .map((text) => text.replace(/\r+$/, ""));
    await fc.assert(
      fc.asyncProperty(
        fc.array(line, { minLength: 1 }),
        fc.integer({ min: 1, max: 9 }),
        fc.constantFrom("\n", "\r\n"),
        async (all, size, end) => {
          const bytes = encode(all.map((text) => text + end).join(""));
          expect(await lines(pieces(bytes, size))).toEqual(all);
        },
      ),
    );
  });

  it("refuses an empty file", async () => {
    await expect(lines(new Uint8Array())).rejects.toThrow(
      "read the file: received an empty file, expected text.",
    );
    await expect(lines(new Blob([]))).rejects.toThrow(/an empty file/);
    await expect(lines(3 as never)).rejects.toThrow(/readLines: received 3/);
  });

  it.each([
    ["a byte of latin-1", [0x61, 0x0a, 0xe9, 0x62], 2, 2],
    ["a lonely continuation", [0x61, 0x80], 1, 1],
    ["an overlong form", [0xc0, 0xaf], 0, 1],
    ["an overlong form of three bytes", [0x0a, 0xe0, 0x80, 0xaf], 1, 2],
    ["a surrogate", [0x61, 0xed, 0xa0, 0x80], 1, 1],
    ["beyond Unicode", [0xf4, 0x90, 0x80, 0x80], 0, 1],
    ["a character that breaks off at the end", [0x61, 0x0a, 0xe4, 0xb8], 2, 2],
    ["a character that another one interrupts", [0xe4, 0xb8, 0x61, 0x0a], 0, 1],
    ["what follows whole characters", [0xc3, 0xa9, 0x0a, 0xf0, 0x9f, 0x98, 0x80, 0x0a, 0xff], 8, 3],
  ])("names byte and line of %s", async (_, bytes, byte, line) => {
    const hex = (bytes[byte] ?? 0).toString(16);
    for (const size of [1, 2, 3, 100])
      await expect(lines(pieces(Uint8Array.from(bytes), size)), `pieces of ${size}`).rejects.toThrow(
        `the byte 0x${hex} at byte ${byte}, in line ${line},`,
      );
  });

  it("finds the first byte that is no UTF-8, wherever it is", async () => {
    const text = fc.string({ unit: fc.constantFrom("a", "é", "中", "😀", "\n") });
    await fc.assert(
      fc.asyncProperty(text, text, fc.integer({ min: 1, max: 9 }), async (before, after, size) => {
        const bytes = Buffer.concat([encode(before), Uint8Array.of(0xff), encode(after)]);
        const line = before.split("\n").length;
        await expect(lines(pieces(bytes, size))).rejects.toThrow(
          `at byte ${encode(before).length}, in line ${line},`,
        );
      }),
    );
  });

  it("reads other encodings, and says which one it may be", async () => {
    const utf16 = Buffer.from("\ufeffa\nb", "utf16le");
    expect(await lines(utf16, "utf-16le")).toEqual(["a", "b"]);
    await expect(lines(utf16)).rejects.toThrow('give { encoding: "utf-16le" }');
    expect(await lines(Uint8Array.of(0x63, 0xe9), "windows-1252")).toEqual(["cé"]);
    await expect(lines(Uint8Array.of(0x61, 0x0a, 0x81), "gb18030")).rejects.toThrow(
      /bytes that are no gb18030/,
    );
    await expect(lines(encode("a"), "utf8000")).rejects.toThrow(/encoding: "utf8000"/);
  });
});
