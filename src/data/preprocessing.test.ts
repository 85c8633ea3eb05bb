import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from "vitest";
import { CharacterVocabulary } from "./characters.js";
import { MinMaxScaler } from "./minMaxScaler.js";
import { preprocessingText, readPreprocessing, writePreprocessing } from "./preprocessing.js";
import { StandardScaler } from "./standardScaler.js";
import { Tokenizer } from "./tokenizer.js";
import { Vocabulary } from "./vocabulary.js";

let folder: string;
let path: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "rondo-preprocessing-"));
  path = join(folder, "preprocessing.json");
});
afterAll(() => rmSync(folder, { recursive: true }));

const tokenizer = new Tokenizer({ numWords: 9 });
tokenizer.fitOnTexts(["a b 2017 1"]);
const set = {
  tokenizer,
  tags: new Vocabulary(["O", "B"], { unknown: null }),
  characters: CharacterVocabulary.fromTexts(["ab\ud800"]),
  scaler: new StandardScaler().fit([
    [0.1, Number.NaN],
    [1 / 3, Number.NaN],
  ]),
  target: new MinMaxScaler({ clip: true }).fit([[1], [4]]),
};
const classes = {
  tokenizer: Tokenizer,
  tags: Vocabulary,
  characters: CharacterVocabulary,
  scaler: StandardScaler,
  target: MinMaxScaler,
};

describe("preprocessing.json", () => {
  it("holds a set of objects, which come back the same", async () => {
    await writePreprocessing(path, set);
    expect(readdirSync(folder)).toEqual(["preprocessing.json"]);
    const read = await readPreprocessing(path, classes);
    expectTypeOf(read.scaler).toEqualTypeOf<StandardScaler>();
    expect(read.tags.encode(["B"])).toEqual(set.tags.encode(["B"]));
    expect(preprocessingText(read)).toBe(preprocessingText(set));
    expect(preprocessingText(set)).toBe(readFileSync(path, "utf8"));
    const text = preprocessingText({ scaler: set.scaler });
    const { scaler } = await readPreprocessing(new Blob([text]), { scaler: StandardScaler });
    expect(scaler.mean).toEqual(set.scaler.mean);
  });

  it("reads classes of one's own, with what they are", async () => {
    const doubled = {
      factor: 2,
      fromJSON(json: unknown) {
        return { value: this.factor * Number(json) };
      },
    };
    await writePreprocessing(path, { own: { toJSON: () => 3 } });
    expect((await readPreprocessing(path, { own: doubled })).own.value).toBe(6);
  });

  it("names file and object in errors", async () => {
    await writePreprocessing(path, set);
    await expect(readPreprocessing(path, { scalar: StandardScaler })).rejects.toThrow(
      `read ${path}: received the unknown object "scalar"`,
    );
    await expect(readPreprocessing(path, { tags: Tokenizer })).rejects.toThrow(
      `read ${path}: tags: Tokenizer.fromJSON: received an object of the class Vocabulary`,
    );
    expect(() => preprocessingText({ names: ["a"] as never })).toThrow(/a list for names/);
    const whole = readFileSync(path, "utf8");
    writeFileSync(path, whole.slice(0, 100));
    await expect(readPreprocessing(path, classes)).rejects.toThrow(
      `read ${path}: received text that is no JSON`,
    );
    writeFileSync(path, "[]");
    await expect(readPreprocessing(path, classes)).rejects.toThrow(/a list/);
    writeFileSync(path, "");
    await expect(readPreprocessing(path, classes)).rejects.toThrow(/an empty file/);
    writeFileSync(path, whole.replace('"B"', "7"));
    await expect(readPreprocessing(path, classes)).rejects.toThrow(
      /tags: Vocabulary.fromJSON: received words/,
    );
    await expect(readPreprocessing(join(folder, "no.json"), classes)).rejects.toThrow(/no such file/);
  });
});
