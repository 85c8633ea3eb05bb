import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Dataset } from "./dataset.js";

const text = "\ufeffeins\r\nzwei ß\n\ndrei 🂡\n";
const lines = ["eins", "zwei ß", "", "drei 🂡"];
const bytes = new TextEncoder().encode(text);
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "rondo-lines-"));
  writeFileSync(join(folder, "plain.txt"), bytes);
  writeFileSync(join(folder, "packed.gz"), gzipSync(bytes));
  writeFileSync(join(folder, "latin.txt"), Uint8Array.of(97, 10, 98, 10, 0xe4, 10, 99));
  writeFileSync(join(folder, "empty.txt"), "");
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("lines of texts", () => {
  it.each<[string, () => Parameters<typeof Dataset.fromTextLines>[0]]>([
    ["a path", () => join(folder, "plain.txt")],
    ["a file's address", () => pathToFileURL(join(folder, "plain.txt"))],
    ["gzip", () => join(folder, "packed.gz")],
    ["bytes", () => bytes],
    ["packed bytes", () => gzipSync(bytes)],
    ["a Blob", () => new Blob([text])],
  ])("come from %s, again in each pass", async (_, source) => {
    const dataset = Dataset.fromTextLines(source());
    expect(await dataset.toArray()).toEqual(lines);
    expect(await dataset.toArray()).toEqual(lines);
  });

  it("come from an address, as they come", async () => {
    const server = createServer((_, response) => response.end(gzipSync(bytes)));
    await new Promise<void>((resolve) => server.listen(0, resolve));
    try {
      const address = `http://localhost:${(server.address() as AddressInfo).port}/a.gz`;
      expect(await Dataset.fromTextLines(address).toArray()).toEqual(lines);
    } finally {
      server.close();
    }
  });

  it("come from several files, one after the other", async () => {
    const files = ["plain.txt", "empty.txt", "packed.gz"].map((name) => join(folder, name));
    expect(await Dataset.fromTextLines(files).toArray()).toEqual([...lines, ...lines]);
    expect(await Dataset.fromTextLines(join(folder, "empty.txt")).toArray()).toEqual([]);
  });

  it("stand where they stood, however they are cut and packed", async () => {
    const line = fc.stringMatching(/^[a-cß🂡]{0,12}$/u);
    await fc.assert(
      fc.asyncProperty(
        fc.array(line, { minLength: 1, maxLength: 40 }),
        fc.boolean(),
        fc.boolean(),
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }),
        fc.nat(40),
        async (all, closed, packed, cuts, taken) => {
          const plain = new TextEncoder().encode(all.join("\n") + (closed ? "\n" : ""));
          const file = packed ? gzipSync(plain) : plain;
          // Without an end the last line, empty, is none.
          const expected = !closed && all.at(-1) === "" ? all.slice(0, -1) : all;
          const dataset = () =>
            Dataset.fromTextLines(
              (async function* () {
                for (let at = 0, i = 0; at < file.length; i++) {
                  const size = cuts[i % cuts.length] ?? 1;
                  yield file.subarray(at, at + size);
                  at += size;
                }
              })(),
            );
          const pass = dataset().iterator();
          const first: string[] = [];
          for (let i = 0; i < taken; i++) {
            const { done, value } = await pass.next();
            if (done !== true) first.push(value);
          }
          const rest = await Dataset.fromTextLines(file).toArray(JSON.parse(JSON.stringify(pass.state())));
          expect([...first, ...rest]).toEqual(expected);
        },
      ),
      { numRuns: 200 },
    );
  });

  it("say what cannot be read, and where", async () => {
    const read = (source: Parameters<typeof Dataset.fromTextLines>[0]) =>
      Dataset.fromTextLines(source).toArray();
    await expect(read(join(folder, "latin.txt"))).rejects.toThrow(
      /latin\.txt: received bytes in line 3 that are not UTF-8, expected text in UTF-8/,
    );
    await expect(read(join(folder, "absent.txt"))).rejects.toThrow(/absent\.txt: received no such file/);
    await expect(read(gzipSync(bytes).subarray(0, 20))).rejects.toThrow(
      "a gzip file that cannot be unpacked",
    );
    await expect(read(3 as never)).rejects.toThrow("Dataset.fromTextLines: received 3, expected a path");
    const stream = Dataset.fromTextLines(new Blob([text]).stream());
    expect(await stream.toArray()).toEqual(lines);
    await expect(stream.toArray()).rejects.toThrow(
      "a second pass over an iterator that can be gone through once",
    );
  });
});
