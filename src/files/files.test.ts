import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RondoError } from "../errors.js";
import { checkFolder, readWholeFile, writeFiles } from "./files.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rondo-files-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

describe("writeFiles", () => {
  it("replaces files of the same names and leaves nothing beside them", async () => {
    const inner = join(folder, "runs", "first");
    await writeFiles(inner, { "history.json": "old", "config.json": "old" });
    writeFileSync(join(inner, "notes.txt"), "mine");
    await writeFiles(inner, { "history.json": Uint8Array.of(110, 101, 119), "config.json": "new too" });
    expect(readdirSync(inner).sort()).toEqual(["config.json", "history.json", "notes.txt"]);
    expect(readFileSync(join(inner, "history.json"), "utf8")).toBe("new");
    expect(readFileSync(join(inner, "config.json"), "utf8")).toBe("new too");
  });

  it("keeps all old files when one of the new cannot be written", async () => {
    await writeFiles(folder, { "config.json": "old" });
    await expect(writeFiles(folder, { "config.json": "new", "absent/weights": "" })).rejects.toThrow(
      `write ${folder}: received a folder that does not exist, expected that files can be written in ${folder}`,
    );
    expect(readdirSync(folder)).toEqual(["config.json"]);
    expect(readFileSync(join(folder, "config.json"), "utf8")).toBe("old");
  });

  it("puts the old files back when a name cannot be taken after others were", async () => {
    await writeFiles(folder, { "config.json": "old" });
    mkdirSync(join(folder, ".b")); // "b/c" can be written beside its place, as .b/c…, but not take it: there is no b
    await expect(writeFiles(folder, { "config.json": "new", "b/c": "new" })).rejects.toThrow(RondoError);
    expect(readdirSync(folder).sort()).toEqual([".b", "config.json"]);
    expect(readdirSync(join(folder, ".b"))).toEqual([]);
    expect(readFileSync(join(folder, "config.json"), "utf8")).toBe("old");
  });

  it("leaves everything as it was where a folder has the name of a file", async () => {
    await writeFiles(folder, { "config.json": "old", "result.json": "old" });
    mkdirSync(join(folder, "history.json"));
    const files = { "config.json": "new", "history.json": "new", "result.json": "new" };
    await expect(writeFiles(folder, files)).rejects.toThrow("received a folder in the place of history.json");
    await expect(checkFolder(folder, Object.keys(files))).rejects.toThrow(
      "a folder in the place of history.json",
    );
    expect(readdirSync(folder).sort()).toEqual(["config.json", "history.json", "result.json"]);
    for (const name of ["config.json", "result.json"])
      expect(readFileSync(join(folder, name), "utf8")).toBe("old");
  });
});

describe("checkFolder", () => {
  it("leaves a folder as it is, and none that was not there", async () => {
    writeFileSync(join(folder, "config.json"), "old");
    await checkFolder(folder);
    await checkFolder(join(folder, "runs", "all", "first"));
    expect(readdirSync(folder)).toEqual(["config.json"]);
    expect(readFileSync(join(folder, "config.json"), "utf8")).toBe("old");
  });

  it("takes back what it made on the way to a folder that cannot be made", async () => {
    await expect(checkFolder(join(folder, "runs", "x".repeat(300)))).rejects.toThrow(RondoError);
    expect(readdirSync(folder)).toEqual([]);
  });

  it("refuses a path below a file", async () => {
    writeFileSync(join(folder, "file"), "");
    await expect(checkFolder(join(folder, "file", "run"))).rejects.toThrow(
      /output folder: received a path with a file where a folder should be.*Choose another folder/,
    );
    await expect(checkFolder(join(folder, "file"))).rejects.toThrow(/a path with a file where/);
  });

  it.runIf(process.platform === "linux")("refuses a folder where none can be made", async () => {
    await expect(checkFolder("/proc/runs/first")).rejects.toThrow(
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
