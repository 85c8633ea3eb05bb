import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PredictInput } from "./inputs.js";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "rondo-inputs-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const bytes = (text: string) => new TextEncoder().encode(text);
async function* pieces(...parts: readonly (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield typeof part === "string" ? bytes(part) : part;
}
async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}
const file = (name: string, content: string | Uint8Array): PredictInput => {
  writeFileSync(join(folder, name), content);
  return new PredictInput(join(folder, name), join(folder, name));
};

describe("PredictInput", () => {
  it("gives lines with their numbers, whatever pieces they come in", async () => {
    const lines = [
      { line: 1, text: "one" },
      { line: 2, text: "" },
      { line: 3, text: "two, three" },
    ];
    expect(await all(file("lines.txt", "one\n\r\ntwo, three").lines())).toEqual(lines);
    const input = new PredictInput("standard input", pieces("o", "ne\n\n", "two, ", "three\n"));
    expect(await all(input.lines())).toEqual(lines);
  });

  it("gives bytes, unpacked, and shows how they begin without taking them", async () => {
    const packed = gzipSync("0123456789");
    for (const input of [file("packed.gz", packed), new PredictInput("standard input", pieces(packed))]) {
      expect(Buffer.from(await input.begin(4)).toString()).toBe("0123");
      expect(Buffer.from(await input.begin(2)).toString()).toBe("01");
      expect(Buffer.from(await input.bytes()).toString()).toBe("0123456789");
    }
    const short = new PredictInput("short", pieces("a", "b"));
    expect(await short.begin(9)).toEqual(bytes("ab"));
    expect(await all(short.lines())).toEqual([{ line: 1, text: "ab" }]);
  });

  it("gives the rows of tables, separated as their names say", async () => {
    const rows = [
      { line: 2, fields: { x: "1", text: "a, b" } },
      { line: 3, fields: { x: "2", text: "c" } },
    ];
    const csv = file("table.csv", 'x,text\n1,"a, b"\n2,c\n');
    const tsv = file("table.tsv.gz", gzipSync("x\ttext\n1\ta, b\n2\tc\n"));
    expect([csv.isTable, tsv.isTable, file("table.txt", "").isTable]).toEqual([true, true, false]);
    expect(await all(csv.rows())).toEqual(rows);
    expect(await all(tsv.rows())).toEqual(rows);
  });

  it.each<[string, string | Uint8Array, RegExp]>([
    ["empty", "", /received an empty file, expected text/],
    ["latin", Uint8Array.of(97, 10, 0xe9, 10), /received the byte 0xe9 at byte 2, in line 2/],
    ["cut.gz", gzipSync("abc".repeat(99)).subarray(0, 20), /received a gzip file that cannot be unpacked/],
  ])("names the input that cannot be read: %s", async (name, content, message) => {
    await expect(all(file(name, content).lines())).rejects.toThrow(`read ${join(folder, name)}: received`);
    await expect(all(file(name, content).lines())).rejects.toThrow(message);
    const input = new PredictInput("standard input", pieces(content));
    await expect(all(input.lines())).rejects.toThrow("read standard input: received");
  });

  it("says where in it an error is", () => {
    const parts = { received: '"abc"', expected: "a number", fix: "Write a number" };
    expect(file("numbers", "").error("line 3", parts).message).toBe(
      `${join(folder, "numbers")}, line 3: received "abc", expected a number. Write a number.`,
    );
  });
});
