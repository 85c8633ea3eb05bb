import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { numberedFiles as inAPage } from "./access.browser.js";
import { numberedFiles } from "./access.node.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rondo-numbered-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

it("writes, lists, reads and removes files by their numbers, and makes the folder", async () => {
  const files = await numberedFiles(join(folder, "a", "b"), "part", "bin");
  for (const number of [2, 10, 1]) await files.write(number, Uint8Array.of(number));
  await files.writeNamed("best.bin", Uint8Array.of(7));
  await files.writeNamed("best.bin", Uint8Array.of(8));
  expect(await files.numbers()).toEqual([1, 2, 10]);
  expect(readdirSync(files.folder).sort()).toEqual([
    "best.bin",
    "part-000001.bin",
    "part-000002.bin",
    "part-000010.bin",
  ]);
  expect([...(await files.read(10))]).toEqual([10]);
  expect(readFileSync(join(files.folder, "best.bin"))[0]).toBe(8);
  await files.remove(2);
  await files.remove(3);
  expect(await files.numbers()).toEqual([1, 10]);
});

it("clears away what a process that was killed left beside its places, and nothing else", async () => {
  const left = [
    ".part-000003.bin.0123456789ab",
    ".part-000003.bin",
    "part-x.bin",
    "notes",
    ".other-000001.bin.0123",
  ];
  for (const name of left) writeFileSync(join(folder, name), "");
  const files = await numberedFiles(folder, "part", "bin");
  expect(await files.numbers()).toEqual([]);
  expect(readdirSync(folder).sort()).toEqual(left.slice(1).sort());
});

it("has no meaning in a page", async () => {
  await expect(inAPage("kept", "checkpoint", "keras")).rejects.toThrow(
    "write kept: received a folder in a page, expected Node: pages write no files.",
  );
});
