import fc from "fast-check";
import { zipSync } from "fflate";
import { describe, expect, it } from "vitest";
import { readZip, writeZip } from "./zip.js";

const text = new TextEncoder();
const parts = { "config.json": text.encode("{}"), weights: text.encode("numbers ".repeat(200)) };
const names = Object.keys(parts);
const stored = writeZip(parts);
const deflated = zipSync(parts);

/** A copy with bytes from `at` on replaced. */
const patched = (bytes: Uint8Array, at: number, ...values: number[]) => {
  const copy = bytes.slice();
  copy.set(values, at);
  return copy;
};
/** Where the nth (from 0) of these signatures stands. */
const mark = (bytes: Uint8Array, kind: "local" | "directory" | "end", nth = 0) => {
  const last = { local: [3, 4], directory: [1, 2], end: [5, 6] }[kind];
  const found = [...bytes.keys()].filter((i) =>
    [0x50, 0x4b, ...last].every((byte, offset) => bytes[i + offset] === byte),
  );
  return found[nth] ?? Number.NaN;
};

describe("writeZip", () => {
  it("stores parts for readZip to find", () => {
    const name = fc.stringMatching(/^[a-zA-Z_.é]{1,12}$/).filter((name) => name !== "__proto__");
    fc.assert(
      fc.property(fc.dictionary(name, fc.uint8Array({ maxLength: 300 })), (parts) => {
        expect(readZip(writeZip(parts), Object.keys(parts), "a file")).toEqual(
          new Map(Object.entries(parts)),
        );
      }),
    );
  });

  it("gives the same bytes whenever and wherever it runs", () => {
    const zone = process.env.TZ;
    try {
      process.env.TZ = "Pacific/Auckland";
      expect(writeZip(parts)).toEqual(stored);
    } finally {
      if (zone === undefined) delete process.env.TZ;
      else process.env.TZ = zone;
    }
    expect(stored.subarray(10, 14)).toEqual(Uint8Array.of(0, 0, 0b00100001, 0)); // 1980-01-01, 00:00
  });
});

describe("readZip", () => {
  it("inflates what is deflated, and leaves out what is not asked for or not there", () => {
    expect(readZip(deflated, names, "a file")).toEqual(new Map(Object.entries(parts)));
    expect([...readZip(deflated, ["weights", "absent"], "a file").keys()]).toEqual(["weights"]);
  });

  it("finds the end before a comment", () => {
    const comment = text.encode("PK\u0005\u0006 is no end");
    const end = mark(stored, "end");
    const commented = patched(Uint8Array.from([...stored, ...comment]), end + 20, comment.length);
    expect(readZip(commented, names, "a file")).toEqual(new Map(Object.entries(parts)));
  });

  it.each([
    ["stored", stored],
    ["deflated", deflated],
  ])("refuses every archive that is cut, %s", (_, archive) => {
    fc.assert(
      fc.property(fc.integer({ min: 4, max: archive.length - 1 }), (length) => {
        expect(() => readZip(archive.subarray(0, length), names, "a file")).toThrow(
          /read a file: received a zip archive without its end \(truncated\)/,
        );
      }),
    );
  });

  it.each([
    ["stored", stored],
    ["deflated", deflated],
  ])("never gives other data for a damaged byte, %s", (_, archive) => {
    for (let at = 0; at < archive.length; at++) {
      const damaged = patched(archive, at, (archive[at] ?? 0) ^ 0xff);
      let read: ReadonlyMap<string, Uint8Array>;
      try {
        read = readZip(damaged, names, "a file");
      } catch (error) {
        expect(error).toHaveProperty("name", "RondoError");
        continue;
      }
      for (const [name, bytes] of read) expect(bytes).toEqual(parts[name as keyof typeof parts]);
    }
  });

  it.each<[string, Uint8Array, RegExp]>([
    ["an empty file", new Uint8Array(0), /an empty file, expected a zip archive/],
    ["a short file", Uint8Array.of(1, 2), /a file that starts with the bytes 01 02, expected/],
    ["another format", text.encode("{ it is JSON } and goes on"), /starts with the bytes 7b 20 69 74/],
    [
      "a part that unpacks to far more than is there",
      patched(deflated, mark(deflated, "directory", 1) + 24, 0, 0, 0, 0x40),
      /read weights in a file: received \d+ bytes that are to become 1073741824, .*Do not trust/,
    ],
    [
      "a part that unpacks to more than it says",
      patched(deflated, mark(deflated, "directory", 1) + 24, 100, 0),
      /read weights in a file: received (compressed data that|data that does not fit)/,
    ],
    [
      "two parts of one name",
      writeZip({ weights: text.encode("a"), weightt: text.encode("b") }).map((byte) =>
        byte === "t".charCodeAt(0) ? "s".charCodeAt(0) : byte,
      ),
      /two parts called weighss/,
    ],
    ["encryption", patched(stored, mark(stored, "directory") + 8, 1), /an encrypted part, expected/],
    ["other compression", patched(stored, mark(stored, "directory") + 10, 12), /compression method 12,/],
    ["zip64", patched(stored, mark(stored, "end") + 16, 255, 255, 255, 255), /a zip64 archive, expected/],
  ])("refuses %s", (_, bytes, message) => {
    expect(() => readZip(bytes, [...names, "weighss"], "a file")).toThrow(message);
  });
});
