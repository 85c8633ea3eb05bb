import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RondoError } from "../errors.js";
import { prepareFolder, readWholeFile, writeFileAtomically } from "./files.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rondo-files-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

describe("writeFileAtomically", () => {
  it("replaces a file and leaves nothing beside it", async () => {
    const path = join(folder, "history.json");
    await writeFileAtomically(path, "old");
    await writeFileAtomically(path, Uint8Array.of(110, 101, 119));
    expect(readFileSync(path, "utf8")).toBe("new");
    expect(readdirSync(folder)).toEqual(["history.json"]);
  });

  it("keeps the old content when it cannot finish", async () => {
    await prepareFolder(join(folder, "taken", "below"));
    await expect(writeFileAtomically(join(folder, "taken"), "text")).rejects.toThrow(RondoError);
    expect(readdirSync(folder)).toEqual(["taken"]);
  });

  it("says which folder is missing", async () => {
    const path = join(folder, "absent", "weights.safetensors");
    await expect(writeFileAtomically(path, "")).rejects.toThrow(
      `write ${path}: received a folder that does not exist, expected that files can be written in ${join(folder, "absent")}`,
    );
  });
});

describe("prepareFolder", () => {
  it("makes folders and leaves them empty", async () => {
    const inner = join(folder, "runs", "first");
    await prepareFolder(inner);
    await prepareFolder(inner);
    expect(readdirSync(inner)).toEqual([]);
  });

  it("refuses a path below a file", async () => {
    writeFileSync(join(folder, "file"), "");
    await expect(prepareFolder(join(folder, "file", "run"))).rejects.toThrow(
      /output folder: received a path with a file where a folder should be.*Choose another folder/,
    );
    await expect(prepareFolder(join(folder, "file"))).rejects.toThrow(/a path with a file where/);
  });

  it.runIf(process.platform === "linux")("refuses a folder where none can be made", async () => {
    await expect(prepareFolder("/proc/runs/first")).rejects.toThrow(
      /output folder: .*, expected that files can be written in \/proc\/runs\/first/,
    );
  });
});

describe("readWholeFile", () => {
  it("unpacks gzip and leaves the rest as it is", async () => {
    writeFileSync(join(folder, "plain"), "digits");
    writeFileSync(join(folder, "packed"), gzipSync("digits"));
    expect(Buffer.from(await readWholeFile(join(folder, "plain"))).toString()).toBe("digits");
    expect(Buffer.from(await readWholeFile(join(folder, "packed"))).toString()).toBe("digits");
  });

  it("says when gzip is damaged", async () => {
    writeFileSync(join(folder, "cut.gz"), gzipSync("digits".repeat(99)).subarray(0, 20));
    await expect(readWholeFile(join(folder, "cut.gz"))).rejects.toThrow(
      /cut\.gz: received a gzip file that cannot be unpacked/,
    );
  });

  it("says when there is no file", async () => {
    await expect(readWholeFile(join(folder, "absent"))).rejects.toThrow(/absent: received no such file/);
  });
});
