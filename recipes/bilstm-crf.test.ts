import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createBackend } from "rondo";
import { resumeNer, zhNer } from "rondo/datasets";
import { afterAll, describe, expect, it } from "vitest";
import { answers, expectSameFigures, reread, trained } from "../tests/recipeRuns.js";
import { recipe } from "./bilstm-crf.js";
import { Random } from "./random.js";

const backend = await createBackend({ threads: 1, warn: () => undefined });
const top = mkdtempSync(join(tmpdir(), "rondo-bilstm-crf-"));
afterAll(async () => {
  await backend.close();
  rmSync(top, { recursive: true });
});

const families = ["赵", "钱", "孙", "李", "周"];
const given = ["明", "华", "芳", "伟"];
const places = ["北京", "上海", "长春市"];
const fillers = ["今天", "住在", "说", "和", "的", "朋友", "去", "了"];

type Tagged = readonly (readonly [character: string, tag: string])[];

/** Sentences of names and places between other words, in a scheme whose inner letter is given. */
function sentences(
  count: number,
  seed: number,
  tag: (i: number, n: number, label: string) => string,
): Tagged[] {
  const random = new Random(seed);
  const one = (of: readonly string[]) => of[random.whole(0, of.length - 1)] ?? "";
  const marked = (text: string, label: string): Tagged =>
    [...text].map((character, i, all) => [character, tag(i, all.length, label)] as const);
  const plain = (text: string): Tagged => [...text].map((character) => [character, "O"] as const);
  return Array.from({ length: count }, () => [
    ...plain(one(fillers)),
    ...marked(one(families) + one(given) + (random.uniform() < 0.5 ? one(given) : ""), "NAME"),
    ...plain(one(fillers) + one(fillers)),
    ...(random.uniform() < 0.7 ? marked(one(places), "LOC") : plain(one(fillers))),
    ...plain("。"),
  ]);
}

const bmes = (i: number, n: number, label: string) =>
  `${n === 1 ? "S" : i === 0 ? "B" : i === n - 1 ? "E" : "M"}-${label}`;
const bio = (i: number, _: number, label: string) => `${i === 0 ? "B" : "I"}-${label}`;
const textOf = (all: readonly Tagged[]) =>
  all.map((one) => `${one.map(([character, tag]) => `${character} ${tag}`).join("\n")}\n`).join("\n");

function folderOf(name: string, files: Readonly<Record<string, string>>): string {
  const folder = join(top, name);
  mkdirSync(folder);
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
  return folder;
}

const resumes = folderOf("resumes", {
  "train.char.bmes": textOf(sentences(160, 1, bmes)),
  "dev.char.bmes": textOf(sentences(40, 2, bmes)),
  "test.char.bmes": textOf(sentences(40, 3, bmes)),
});
const small = { count: 6, batchSize: 8, learningRate: 0.02, data: resumes };
const sizes = { embedSize: 8, bigramSize: 8, units: 12, dropout: 0.1 };

describe("the recipe", () => {
  it("learns names and places, is measured again, and finds them in texts", async () => {
    const said: string[] = [];
    const run = await trained(
      recipe,
      { ...small, options: sizes },
      { backend, top, onLine: (text) => said.push(text) },
    );
    const { testF1 = 0, validationF1 = 0, testAccuracy = 0 } = run.result.figures;
    expect(testF1).toBeGreaterThan(0.95);
    expect(validationF1).toBeGreaterThan(0.95);
    expect(testAccuracy).toBeGreaterThan(0.95);
    expect(said.join("\n")).toMatch(/160 sentences to train with, 40 to validate, 40 to test/);
    expect(said.join("\n")).toMatch(/The tags of train break no rule/);
    await expectSameFigures(recipe, run);

    const saved = await reread(recipe, run, backend);
    const lines = ["今天赵明华住在北京。", "𠮷了", "说李芳和上海。"];
    const found = await answers(recipe, saved, lines.join("\n"));
    expect(found.map(({ line, text }) => [line, text])).toEqual(lines.map((text, i) => [i + 1, text]));
    expect(found[0]?.entities).toEqual([
      { type: "NAME", text: "赵明华", start: 2, end: 5 },
      { type: "LOC", text: "北京", start: 7, end: 9 },
    ]);
    for (const { text, entities } of found)
      for (const entity of entities as { text: string; start: number; end: number }[])
        expect(String(text).slice(entity.start, entity.end)).toBe(entity.text);

    const report = readFileSync(join(run.folder, "report.html"), "utf8");
    for (const title of ["Entities", "Transitions"]) expect(report).toContain(`<h2>${title}</h2>`);
    expect(report).toContain("processed ");
  }, 60_000);

  it("splits sentences without parts, with averaged weights and without pairs, and tells of broken tags", async () => {
    const all = sentences(120, 4, bio);
    const broken = all.map((one, i) =>
      i % 10 === 0 ? one.map(([c, tag]) => [c, tag.replace("B-", "I-")] as const) : one,
    );
    const data = folderOf("plain", { "test_data.data": textOf(broken) });
    const said: string[] = [];
    const options = { ...sizes, dataSet: "zh-ner", bigramSize: 0, average: 0.5 };
    const run = await trained(
      recipe,
      { ...small, data, options },
      { backend, top, onLine: (text) => said.push(text) },
    );
    expect(said.join("\n")).toMatch(/96 sentences to train with, 12 to validate, 12 to test/);
    expect(said.join("\n")).toMatch(/The tags of train break their rules \d+ times.*O → I-NAME/);
    expect(run.result.figures.testF1).toBeGreaterThan(0.5);
    await expectSameFigures(recipe, run);
  }, 60_000);

  it("trains several that decide together, and leave one model", async () => {
    const said: string[] = [];
    const run = await trained(
      recipe,
      { ...small, count: 3, options: { ...sizes, members: 2 } },
      { backend, top, onLine: (text) => said.push(text) },
    );
    const kept = said.filter((line) => line.startsWith("The weights of epoch"));
    expect(kept).toHaveLength(2);
    expect(run.result.figures.testF1).toBeGreaterThan(0.9);
    const history = JSON.parse(readFileSync(join(run.folder, "history.json"), "utf8"));
    expect(Object.keys(history)).toEqual(["member-1", "member-2"]);
    expect(history["member-1"].loss).not.toEqual(history["member-2"].loss);
    await expectSameFigures(recipe, run);
    const found = await answers(recipe, await reread(recipe, run, backend), "今天赵明华住在北京。");
    expect(found[0]?.entities).toHaveLength(2);
  }, 60_000);

  it.each(["member-1:", "member-2:"])(
    "goes on where several are interrupted after %s",
    async (line) => {
      const wishes = { ...small, count: 2, options: { ...sizes, members: 2 } };
      const whole = await trained(recipe, wishes, { backend, top });
      const cut = await trained(recipe, wishes, {
        backend,
        top,
        onLine: (text, abort) => text.startsWith(line) && abort.abort(),
      });
      expect(cut.result.interrupted).toBe(true);
      const run = await trained(recipe, wishes, { backend, top, folder: cut.folder });
      expect(run.result.figures).toEqual(whole.result.figures);
      for (const name of ["weights.safetensors", "history.json", "config.json"])
        expect(
          readFileSync(join(run.folder, name)).equals(readFileSync(join(whole.folder, name))),
          name,
        ).toBe(true);
    },
    60_000,
  );

  it("names the file and the line of what is wrong with the data", async () => {
    const data = folderOf("wrong", { "test_data.data": "赵 B-NAME\n明\n" });
    const options = { ...sizes, dataSet: "zh-ner" };
    await expect(trained(recipe, { ...small, data, options }, { backend, top })).rejects.toThrow(
      /test_data\.data.*1 column in line 2/s,
    );
    const absent = join(top, "absent");
    await expect(trained(recipe, { ...small, data: absent }, { backend, top })).rejects.toThrow(
      /absent, which does not exist.*Download https:.*train\.char\.bmes/s,
    );
  });

  const folder = process.env.RONDO_DATA ?? "";
  it.each([join(folder, "resume-ner")].filter(existsSync))(
    "reads the published résumés in %s",
    async (data) => {
      const { train, validation, test, tags } = await resumeNer({ data });
      expect([train.length, validation.length, test.length, tags.size]).toEqual([3821, 463, 477, 33]);
    },
  );
  it.each([join(folder, "zh-ner")].filter(existsSync))(
    "reads the published sentences in %s",
    async (data) => {
      const { sentences: all, tags } = await zhNer({ data });
      expect([all.length, tags.size, [...tags.labels].sort()]).toEqual([4631, 7, ["LOC", "ORG", "PER"]]);
    },
  );
});
