import { createBackend, tensor } from "rondo";
import { tagScheme, Vocabulary } from "rondo/data";
import { afterAll, describe, expect, it } from "vitest";
import { joined, type Tagger, taggerOf } from "./bilstm-crf-model.js";
import { Random } from "./random.js";

const backend = await createBackend({ threads: 1, warn: () => undefined });
afterAll(() => backend.close());

const tags = tagScheme("BIO", ["A", "B"]);
const K = tags.size;
const vocabularies = {
  characters: Vocabulary.fromSequences([[..."abcdefgh"]]),
  bigrams: Vocabulary.fromSequences([["ab", "bc", "cd", "de"]]),
};
const options = {
  embedSize: 4,
  bigramSize: 3,
  units: 5,
  dropout: 0,
  average: 0,
  learningRate: 0.01,
  backend,
};

/** A tagger whose weights are large enough for transitions to matter. */
async function tagger(seed: number, name: string): Promise<Tagger> {
  const one = taggerOf(vocabularies, tags, { ...options, seed, name });
  const random = new Random(seed);
  const weights = await one.model.getWeights();
  await one.model.setWeights(weights.map((w) => ({ ...w, data: w.data.map(() => 1.5 * random.normal()) })));
  return one;
}

const ids = {
  characters: tensor(
    [
      [2, 3, 4, 5, 6, 7],
      [9, 8, 7, 2, 0, 0],
    ],
    [2, 6],
    "int32",
  ),
  bigrams: tensor(
    [
      [2, 3, 4, 5, 1, 1],
      [1, 1, 5, 4, 0, 0],
    ],
    [2, 6],
    "int32",
  ),
};
const lengths = [6, 4];

/** The score of every sequence of tags that keeps the rules, by the means of what the members say. */
async function scored(
  members: readonly Tagger[],
): Promise<{ readonly path: number[]; readonly score: number }[][]> {
  const fields = await Promise.all(
    members.map(async ({ model, scores }) => {
      const names = model.weightNames();
      const weights = await model.getWeights();
      const field = (name: string) => weights[names.indexOf(`crf/${name}`)]?.data ?? [];
      return { x: (await scores.predict(ids)).data, of: field };
    }),
  );
  const mean = (read: (one: (typeof fields)[number]) => number | undefined) =>
    fields.reduce((sum, one) => sum + (read(one) ?? Number.NaN), 0) / fields.length;
  return lengths.map((length, row) => {
    let paths: { path: number[]; score: number }[] = [{ path: [], score: 0 }];
    for (let t = 0; t < length; t++) {
      paths = paths.flatMap(({ path, score }) =>
        Array.from({ length: K }, (_, k) => {
          const before = path.at(-1);
          const from =
            before === undefined
              ? mean((m) => m.of("start")[k])
              : mean((m) => m.of("transitions")[before * K + k]);
          return { path: [...path, k], score: score + from + mean((m) => m.x[(row * 6 + t) * K + k]) };
        }),
      );
    }
    return paths.map(({ path, score }) => ({
      path,
      score: score + mean((m) => m.of("end")[path.at(-1) ?? 0]),
    }));
  });
}

const keepsRules = (path: readonly number[]): boolean =>
  path.every((k, t) => {
    const [tag, before] = [tags.tags[k] ?? "", tags.tags[path[t - 1] ?? -1] ?? "O"];
    return !tag.startsWith("I-") || before.slice(2) === tag.slice(2);
  });

describe("joined", () => {
  it("decides by the means of scores and transitions", async () => {
    const members = [await tagger(1, "a"), await tagger(2, "b"), await tagger(3, "c")];
    const model = await joined(members, vocabularies, tags, backend);
    const best = (await scored(members)).map((paths) => {
      const kept = paths.filter(({ path }) => keepsRules(path)).sort((a, b) => b.score - a.score);
      return kept[0]?.path;
    });
    const found = (await model.predictClasses(ids)).data;
    expect(lengths.map((length, row) => [...found.slice(row * 6, row * 6 + length)])).toEqual(best);
    // Which is not what each of them says.
    const alone = await Promise.all(members.map(async (one) => (await one.model.predictClasses(ids)).data));
    for (const one of alone) expect(one).not.toEqual(found);
  });

  it("says what its members say where they agree", async () => {
    const members = [await tagger(4, "a"), await tagger(4, "b")];
    const model = await joined(members, vocabularies, tags, backend);
    const [one] = members;
    expect((await model.predictClasses(ids)).data).toEqual((await one?.model.predictClasses(ids))?.data);
  });
});
