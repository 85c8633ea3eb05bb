import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { createBackend, Tensor } from "rondo";
import { encodeWordVectors, Vocabulary, WordVectors } from "rondo/data";
import { reviewPolarity, rtPolarity } from "rondo/datasets";
import { afterAll, describe, expect, it } from "vitest";
import { answers, expectSameFigures, reread, trained } from "../tests/recipeRuns.js";
import { tar } from "../tests/tar.js";
import { Random } from "./random.js";
import { recipe } from "./word-vectors.js";

const backend = await createBackend({ threads: 1, warn: () => undefined });
const top = mkdtempSync(join(tmpdir(), "rondo-word-vectors-"));
afterAll(async () => {
  await backend.close();
  rmSync(top, { recursive: true });
});

const opinions = {
  pos: "good fine great funny moving clever warm bright sharp rich".split(" "),
  neg: "bad dull poor silly tedious weak flat stale clumsy thin".split(" "),
};
const fillers = "the film is a story of its actors and director , with an ending .".split(" ");

/** Sentences with a word or two of their opinion. */
function sentences(kind: keyof typeof opinions, count: number, random: Random): string[] {
  const one = (of: readonly string[]) => of[random.whole(0, of.length - 1)] ?? "";
  const some = () => Array.from({ length: random.whole(1, 5) }, () => one(fillers));
  return Array.from({ length: count }, () =>
    [...some(), one(opinions[kind]), ...some(), one(opinions[kind]), "."].join(" "),
  );
}

/** A folder with both sets in the form of the published files: sentences, and reviews of ten sentences. */
function folderOf(name: string, seed: number): string {
  const folder = join(top, name);
  mkdirSync(folder);
  const random = new Random(seed);
  const reviews: Record<string, string> = {};
  for (const kind of ["neg", "pos"] as const) {
    writeFileSync(join(folder, `rt-polarity.${kind}`), sentences(kind, 120, random).join("\n"));
    for (let i = 0; i < 30; i++)
      reviews[`txt_sentoken/${kind}/cv${i}.txt`] = `${sentences(kind, 10, random).join("\n")}\n`;
  }
  writeFileSync(join(folder, "review_polarity.tar.gz"), gzipSync(tar(reviews)));
  return folder;
}

const data = folderOf("sets", 1);
const options = { folds: 2, units: 8, embedSize: 8, keep: 0.8 };
const small = { count: 5, batchSize: 16, learningRate: 0.02, data };

/** Vectors that tell the opinions apart in their first number; some words have none. */
function vectors(): WordVectors {
  const random = new Random(3);
  const words = [...new Set([...opinions.pos, ...opinions.neg, ...fillers, "elsewhere"])].filter(
    (word) => !without.includes(word),
  );
  const rows = words.map((word) => {
    const opinion = opinions.pos.includes(word) ? 0.5 : opinions.neg.includes(word) ? -0.5 : 0;
    return Array.from({ length: 6 }, (_, i) => 0.2 * random.normal() + (i === 0 ? opinion : 0));
  });
  return new WordVectors(words, rows);
}
const without = ["rich", "actors"];

const lines = async (of: WordVectors) => new TextDecoder().decode(await encodeWordVectors(of)).split("\n");
/** How files hold vectors. */
const forms = {
  word2vec: (of: WordVectors) => encodeWordVectors(of),
  word2vecBinary: (of: WordVectors) => encodeWordVectors(of, "word2vecBinary"),
  // Without the line that says how many there are.
  glove: async (of: WordVectors) => (await lines(of)).slice(1).join("\n"),
  // With a space at the end of each line.
  fastText: async (of: WordVectors) => (await lines(of)).join(" \n"),
};

describe("the recipe", () => {
  it("learns over vectors that it trains on reviews, and says the same again from its folder", async () => {
    const run = await trained(recipe, { ...small, options }, { backend, top });
    const { tunedAccuracy, randomAccuracy, changedRows, knownWords, knownTokens } = run.result.figures;
    expect(tunedAccuracy).toBeGreaterThan(0.8);
    expect(randomAccuracy).toBeGreaterThan(0.8);
    expect([changedRows, knownWords, knownTokens]).toEqual([0, 1, 1]);
    await expectSameFigures(recipe, run);

    const saved = await reread(recipe, run, backend);
    const asked = ["a great film with a fine ending .", "the story is dull and weak ."];
    const said = await answers(recipe, saved, asked.join("\n\n"));
    const probability = expect.any(Number);
    expect(said).toEqual([
      { input: "asked", line: 1, text: asked[0], label: "positive", probability },
      { input: "asked", line: 3, text: asked[1], label: "negative", probability },
    ]);
    const report = readFileSync(join(run.folder, "report.html"), "utf8");
    for (const title of ["Vectors", "Words without a vector", "Accuracy of each part", "ROC curve"])
      expect(report).toContain(`<h2>${title}</h2>`);
  });

  it.each(Object.keys(forms) as (keyof typeof forms)[])(
    "freezes vectors from a file in the form of %s, bit for bit",
    async (form) => {
      const given = vectors();
      const file = join(top, `${form}.vec`);
      writeFileSync(file, await forms[form](given));
      const run = await trained(
        recipe,
        { ...small, count: form === "word2vec" ? 5 : 1, options: { ...options, vectors: file } },
        { backend, top },
      );
      const { frozenAccuracy, changedRows, knownWords = 0, knownTokens = 0 } = run.result.figures;
      expect(changedRows).toBe(0);
      if (form === "word2vec") expect(frozenAccuracy).toBeGreaterThan(0.85);

      const saved = await reread(recipe, run, backend);
      const vocabulary = Vocabulary.fromJSON(saved.preprocessing.vocabulary);
      const [rows] = (await saved.models.frozen?.getWeights()) ?? [];
      expect(rows?.shape).toEqual([vocabulary.size, 6]);
      for (const [id, word] of vocabulary.tokens.entries()) {
        const vector = given.get(word);
        if (vector !== undefined) expect(rows?.rows(id, id + 1).data).toEqual(vector);
      }
      expect(rows?.rows(0, 1).array()).toEqual([[0, 0, 0, 0, 0, 0]]);
      const [tuned] = (await saved.models.tuned?.getWeights()) ?? [];
      expect(tuned?.data).not.toEqual(rows?.data);

      const { texts } = await rtPolarity({ data });
      const words = texts.flatMap((text) => text.split(" "));
      expect(knownWords).toBeCloseTo(1 - without.length / new Set(words).size, 12);
      const unknown = words.filter((word) => without.includes(word));
      expect(knownTokens).toBeCloseTo(1 - unknown.length / words.length, 12);
    },
  );

  it("tells of vectors that changed although they were frozen", async () => {
    const run = await trained(recipe, { ...small, count: 1, options }, { backend, top });
    const saved = await reread(recipe, run, backend);
    const frozen = saved.models.frozen;
    const weights = (await frozen?.getWeights()) ?? [];
    const [rows] = weights;
    expect(rows?.data.some((value) => value !== 0)).toBe(true);
    // The last number of the last row, by one bit.
    const bits = new Uint32Array(rows?.data.slice().buffer ?? new ArrayBuffer());
    bits[bits.length - 1] = (bits.at(-1) ?? 0) ^ 1;
    const changed = new Float32Array(bits.buffer);
    await frozen?.setWeights(
      weights.map((one, i) => (i === 0 ? new Tensor(changed, one.shape, "float32") : one)),
    );
    const { figures } = await recipe.evaluate(saved);
    expect(figures.changedRows).toBe(rows?.shape[0]);
  });

  it("leaves models out that an interrupted run did not train", async () => {
    const run = await trained(
      recipe,
      { ...small, count: 1, options: { ...options, folds: 3 } },
      {
        backend,
        top,
        onLine(text, abort) {
          if (text.startsWith("Part 1 of 3")) abort.abort();
        },
      },
    );
    expect(run.result.interrupted).toBe(true);
    const { measures, last } = (await reread(recipe, run, backend)).preprocessing as unknown as {
      readonly measures: readonly [{ readonly accuracies: Readonly<Record<string, number>> }];
      readonly last: readonly string[];
    };
    expect([measures.length, last]).toEqual([1, []]);
    for (const kind of ["frozen", "tuned", "random"])
      expect(run.result.figures[`${kind}Accuracy`]).toBe(measures[0].accuracies[kind]);
    await expectSameFigures(recipe, run);
  });

  it("names what is wrong with vectors", async () => {
    const file = join(top, "wrong.vec");
    const train = (text: string) => {
      writeFileSync(file, text);
      return trained(recipe, { ...small, options: { ...options, vectors: file } }, { backend, top });
    };
    await expect(train("2 3\ngood 1 2 3\nbad 1 2\n")).rejects.toThrow(
      /wrong\.vec: received 2 numbers in line 3/,
    );
    await expect(train("2 3\nbon 1 2 3\nmauvais 1 2 3\n")).rejects.toThrow(
      /2 words of which not one is asked for/,
    );
  });

  const real = [process.env.RONDO_DATA ?? ""].filter((folder) => existsSync(join(folder, "rt-polarity")));
  it.each(real)("learns on a slice of the real sentences in %s", async (published) => {
    const folder = join(top, "slice");
    mkdirSync(folder);
    const { texts, y } = await rtPolarity({ data: join(published, "rt-polarity") });
    for (const [label, kind] of ["neg", "pos"].entries()) {
      const some = texts.filter((_, i) => y.data[i] === label).slice(0, 400);
      writeFileSync(join(folder, `rt-polarity.${kind}`), some.join("\n"));
    }
    const reviews = await reviewPolarity({ data: join(published, "review-polarity") });
    const some = reviews.texts.flatMap((text, i) =>
      i % 20 === 0 ? [[`txt_sentoken/${reviews.y.data[i] === 1 ? "pos" : "neg"}/cv${i}.txt`, text]] : [],
    );
    writeFileSync(join(folder, "review_polarity.tar.gz"), gzipSync(tar(Object.fromEntries(some))));
    const run = await trained(
      recipe,
      {
        count: 2,
        batchSize: 25,
        learningRate: 0.005,
        data: folder,
        options: { folds: 2, units: 16, embedSize: 32 },
      },
      { backend, top },
    );
    const { frozenAccuracy, changedRows, knownWords } = run.result.figures;
    expect(changedRows).toBe(0);
    expect(knownWords).toBeGreaterThan(0.3);
    expect(knownWords).toBeLessThan(1);
    expect(frozenAccuracy).toBeGreaterThan(0.5);
  });
});
