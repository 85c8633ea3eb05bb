import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { describeDatasets } from "./describe.js";
import { locate } from "./locate.js";
import { type DataSet, dataSets } from "./sets.js";

const content = "some words\n";
const sha256 = createHash("sha256").update(content).digest("hex");

let folder: string;
let cache: string;
let server: Server;
/** What the server was asked for. */
let asked: string[];
let answer: { status: number; body: string | undefined };
let set: DataSet;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "rondo-sets-"));
  cache = join(folder, "cache");
  vi.stubEnv("XDG_CACHE_HOME", cache);
  vi.stubEnv("RONDO_DATA", "");
  asked = [];
  answer = { status: 200, body: content };
  server = createServer((request, response) => {
    asked.push(request.url ?? "");
    if (answer.body === undefined) return; // never answers
    response.writeHead(answer.status).end(answer.body);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  const bytes = content.length;
  const file = (name: string) => ({ name, address: `http://127.0.0.1:${port}/${name}`, bytes, sha256 });
  set = { name: "words", title: "words", files: [file("a.txt"), file("b.txt")] };
});
afterEach(async () => {
  vi.unstubAllEnvs();
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
  rmSync(folder, { recursive: true });
});

/** Puts files of a set into a folder. */
function put(into: string, names: readonly string[], text = content): void {
  mkdirSync(into, { recursive: true });
  for (const name of names) writeFileSync(join(into, name), text);
}
const cached = (name: string) => join(cache, "rondo", "words", name);

describe("locate", () => {
  it("downloads into the cache what is nowhere, once", async () => {
    const paths = await locate(set);
    expect(paths).toEqual([cached("a.txt"), cached("b.txt")]);
    expect(paths.map((path) => readFileSync(path, "utf8"))).toEqual([content, content]);
    expect(readdirSync(join(cache, "rondo", "words")).sort()).toEqual(["a.txt", "b.txt"]);
    expect(await locate(set)).toEqual(paths);
    expect(asked).toEqual(["/a.txt", "/b.txt"]);
  });

  it("takes RONDO_DATA before the cache, file by file, and a folder before both", async () => {
    const own = join(folder, "own", "words");
    const given = join(folder, "given");
    put(join(cache, "rondo", "words"), ["b.txt"]);
    put(own, ["a.txt"], "other words\n");
    put(given, ["a.txt", "b.txt"], "mine\n");
    vi.stubEnv("RONDO_DATA", join(folder, "own"));
    expect(await locate(set)).toEqual([join(own, "a.txt"), cached("b.txt")]);
    expect(await locate(set, { data: given })).toEqual([join(given, "a.txt"), join(given, "b.txt")]);
    expect(asked).toEqual([]);
  });

  it("looks in a folder that it is given and nowhere else", async () => {
    const given = join(folder, "given");
    put(given, ["a.txt"]);
    await expect(locate(set, { data: given })).rejects.toThrow(
      `words: received the folder ${given} without b.txt, expected a.txt and b.txt in it. ` +
        `Download ${set.files[1]?.address} (11 bytes, SHA-256 ${sha256}) and put it at ${join(given, "b.txt")}, or leave`,
    );
    await expect(locate(set, { data: join(folder, "absent") })).rejects.toThrow(
      /absent, which does not exist/,
    );
    expect(asked).toEqual([]);
  });

  it("says which file from which address goes where when there is no network", async () => {
    await new Promise((done) => server.close(done));
    vi.stubEnv("RONDO_DATA", join(folder, "own"));
    await expect(locate(set)).rejects.toThrow(
      `words: received no a.txt in ${join(folder, "own", "words")} or ${join(cache, "rondo", "words")}, and a download that ` +
        `failed: connect ECONNREFUSED`,
    );
    await expect(locate(set)).rejects.toThrow(
      `Download ${set.files[0]?.address} (11 bytes, SHA-256 ${sha256}) and put it at ${cached("a.txt")}, or set RONDO_DATA`,
    );
    expect(existsSync(cache)).toBe(false);
    server.listen(0);
  });

  it.each<[string, number, string, RegExp]>([
    ["an error of the server", 404, "not found", /failed: status 404 of http.*a\.txt/],
    [
      "another file",
      200,
      "other words\n",
      /a\.txt of 12 bytes with the SHA-256 [0-9a-f]{64} from http.*published file of 11/,
    ],
    ["a part of the file", 200, "some", /a\.txt of 4 bytes/],
  ])("keeps nothing of %s", async (_, status, body, message) => {
    answer = { status, body };
    await expect(locate(set)).rejects.toThrow(message);
    await expect(locate(set)).rejects.toThrow(`put it at ${cached("a.txt")}`);
    expect(existsSync(cached("a.txt"))).toBe(false);
  });

  it("refuses a file in the cache that is damaged", async () => {
    put(join(cache, "rondo", "words"), ["a.txt"], "some w");
    await expect(locate(set)).rejects.toThrow(
      new RegExp(`a\\.txt of 6 bytes .* Delete ${cached("a.txt")}, so that it is downloaded again`),
    );
  });

  it("says where it may not write", async () => {
    writeFileSync(join(folder, "file"), "");
    vi.stubEnv("XDG_CACHE_HOME", join(folder, "file"));
    await expect(locate(set)).rejects.toThrow(
      /failed: write .*a path with a file where a folder should be.*or set RONDO_DATA/,
    );
  });

  it("ends a download when it is told to", async () => {
    answer = { status: 200, body: undefined };
    const abort = new AbortController();
    const result = locate(set, { signal: abort.signal });
    await vi.waitFor(() => expect(asked).toHaveLength(1));
    abort.abort();
    await expect(result).rejects.toBe(abort.signal.reason);
  });
});

describe("describeDatasets", () => {
  it("says what is here and how the rest comes here", () => {
    const own = join(folder, "own");
    vi.stubEnv("RONDO_DATA", own);
    put(join(own, "rt-polarity"), ["rt-polarity.pos", "rt-polarity.neg"]);
    const described = new Map(describeDatasets().map((one) => [one.name, one]));
    const sets = Object.values<DataSet>(dataSets);
    expect(describeDatasets().map(({ name }) => name)).toEqual(["mnist", ...sets.map(({ name }) => name)]);
    const here = describeDatasets().filter(({ isHere }) => isHere);
    expect(here.map(({ name }) => name)).toEqual(["mnist", "rt-polarity"]);
    expect(described.get("rt-polarity")?.files.map(({ path }) => path)).toEqual([
      join(own, "rt-polarity", "rt-polarity.neg"),
      join(own, "rt-polarity", "rt-polarity.pos"),
    ]);
    const [{ address, sha256: sum, name }] = dataSets.stocktwits.files;
    const [file] = described.get("stocktwits")?.files ?? [];
    expect(file).toMatchObject({ name, path: undefined });
    expect(file?.howToGet).toContain(`Download ${address} (3,558,296 bytes, SHA-256 ${sum})`);
    expect(file?.howToGet).toContain(join(cache, "rondo", "stocktwits", name));
    expect(asked).toEqual([]);
  });
});
