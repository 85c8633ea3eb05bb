import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readWordVectors } from "../../src/data/index.js";
import { run } from "./command.js";

let folder = "";
let text = "";
let output = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "rondo-vectors-"));
  text = join(folder, "text.txt");
  output = join(folder, "words.vec");
  await writeFile(text, sentences);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const sentences = Array.from(
  { length: 400 },
  (_, i) => `The ${["cat", "dog"][i % 2]} sat on the ${["mat", "roof", "tree"][i % 3]} in town${i}`,
).join("\n");
const quick = ["--epochs", "1", "--vector-size", "10", "--seed", "4"];

describe("rondo vectors", () => {
  it("writes vectors of the words that come often enough, and says what it did", async () => {
    const { code, out, err } = await run(["vectors", text, "--output", output, ...quick]);
    expect(code).toBe(0);
    expect(err).toMatch(/^Running on .*, seed 4\.$/m);
    expect(out).toMatch(/^Read 3,200 words in 400 sentences in/);
    expect(out).toContain(`Wrote vectors of 10 numbers for 10 words to ${output}.`);
    const vectors = await readWordVectors(output);
    expect([...vectors.words].sort()).toEqual([
      "The",
      "cat",
      "dog",
      "in",
      "mat",
      "on",
      "roof",
      "sat",
      "the",
      "tree",
    ]);
    expect(vectors.dimension).toBe(10);
    expect((await readdir(folder)).sort()).toEqual(["text.txt", "words.vec"]);
  });

  it("gives the same bytes for a seed with any number of threads, packed and from standard input", async () => {
    const packed = join(folder, "text.gz");
    await writeFile(packed, gzipSync(sentences));
    const files: Buffer[] = [];
    for (const [from, threads] of [
      [text, "1"],
      [packed, "2"],
      ["-", "3"],
    ] as const) {
      const args = ["vectors", from, "--output", output, "--threads", threads, "--quiet", ...quick];
      expect(await run(args, (child, out, err) => out + err === "" && child.stdin.end(sentences))).toEqual({
        code: 0,
        out: "",
        err: "",
      });
      files.push(await readFile(output));
    }
    expect(files[1]?.equals(files[0] ?? Buffer.of())).toBe(true);
    expect(files[2]?.equals(files[0] ?? Buffer.of())).toBe(true);
  });

  it("writes binary files, reads words in small letters, and answers in JSON", async () => {
    const { code, out } = await run([
      ...["vectors", text, "--output", output, "--format", "binary", "--lowercase", "--json", ...quick],
    ]);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      output,
      format: "binary",
      words: 9,
      tokens: 3200,
      sentences: 400,
      forgotten: 0,
      vectorSize: 10,
      window: 5,
      negative: 5,
      minCount: 5,
      sample: 0.001,
      epochs: 1,
      learningRate: 0.025,
      seed: 4,
      lowercase: true,
      backend: expect.stringMatching(/^(native|wasm) /),
    });
    const vectors = await readWordVectors(output, { format: "word2vecBinary" });
    expect(vectors.words).not.toContain("The");
    expect(vectors.words[0]).toBe("the");
  });

  it("answers wrong usage with exit code 2", async () => {
    expect(await run(["vectors", text])).toMatchObject({ code: 2, err: expect.stringContaining("--output") });
    expect(await run(["vectors", text, "--output", output, "--window", "0"])).toMatchObject({
      code: 2,
      err: expect.stringContaining("from 1 to 4096"),
    });
    expect(await run(["vectors", text, "--output", output, "--format", "csv"])).toMatchObject({ code: 2 });
  });

  it.each([
    ["a text that is not there", "missing.txt", "no such file"],
    ["an empty text", "empty.txt", "an empty file"],
    ["a text of rare words", "rare.txt", 'whose commonest word, "one", comes once'],
    ["a text that is no UTF-8", "latin.txt", "byte 0xe4 at byte 3, in line 1"],
  ])("ends with 1 for %s, and writes nothing", async (_, name, message) => {
    await writeFile(join(folder, "empty.txt"), "");
    await writeFile(join(folder, "rare.txt"), "one two three");
    await writeFile(join(folder, "latin.txt"), Buffer.from("abc\xe4\n", "latin1"));
    const { code, err } = await run(["vectors", join(folder, name), "--output", output]);
    expect(code).toBe(1);
    expect(err).toContain(message);
    expect(await readdir(folder)).not.toContain("words.vec");
  });

  it("ends with 1 where the file cannot be written, before the text is read", async () => {
    await mkdir(join(folder, "taken"));
    for (const [path, message] of [
      [join(folder, "missing", "words.vec"), `Make the folder ${join(folder, "missing")} first`],
      [join(folder, "taken"), "a folder in the place of taken"],
    ] as const) {
      const { code, err } = await run(["vectors", join(folder, "no-text.txt"), "--output", path]);
      expect(code).toBe(1);
      expect(err).toContain(message);
    }
  });

  it("ends with 130 after Ctrl-C, and leaves what was there", async () => {
    await writeFile(output, "an earlier file");
    const outcome = await run(
      ["vectors", text, "--output", output, "--epochs", "1000000"],
      (child, _, err) => /^Running on .*\n$/m.test(err) && child.kill("SIGINT"),
    );
    expect(outcome).toMatchObject({ code: 130, out: "" });
    expect(outcome.err).toMatch(/\nInterrupted: nothing was written\.\n$/);
    expect(await readFile(output, "utf8")).toBe("an earlier file");
    expect((await readdir(folder)).sort()).toEqual(["text.txt", "words.vec"]);
  });
});
