import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createBackend } from "rondo";
import { afterAll, describe, expect, it } from "vitest";
import { answers, expectSameFigures, reread, type Trained, trained } from "../tests/recipeRuns.js";
import { recipe as charLm } from "./char-lm.js";
import { Random } from "./random.js";
import { recipe as wordLm } from "./word-lm.js";

const backend = await createBackend({ threads: 1, warn: () => undefined });
const top = mkdtempSync(join(tmpdir(), "rondo-language-"));
afterAll(async () => {
  await backend.close();
  rmSync(top, { recursive: true });
});

const people = { ANNA: "sings", BRUNO: "reads", CLARA: "draws" };

/** Lines in which everybody does one thing, now and then with words between. */
function play(lines: number): string {
  const random = new Random(4);
  return Array.from({ length: lines }, () => {
    const [name, does] = Object.entries(people)[random.whole(0, 2)] ?? ["", ""];
    return `${name} ${random.uniform() < 0.5 ? "always " : ""}${does} here.\n`;
  }).join("");
}

function folderOf(name: string, files: Readonly<Record<string, string>>): string {
  const folder = join(top, name);
  mkdirSync(folder);
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
  return folder;
}

const lossesOf = ({ folder }: Trained) =>
  JSON.parse(readFileSync(join(folder, "history.json"), "utf8")) as Readonly<Record<string, number[]>>;

const written = async (texts: AsyncIterable<string> | undefined) => {
  let all = "";
  for await (const text of texts ?? []) all += text;
  return all;
};

describe("char-lm", () => {
  const data = folderOf("play", { "input.txt": play(400) });
  const settings = {
    data,
    count: 6,
    batchSize: 8,
    learningRate: 0.02,
    options: { lstmSizes: [24], embedSize: 8, steps: 16 },
  };

  it("learns who does what, and writes it", async () => {
    const run = await trained(charLm, settings, { backend, top });
    const { validationLoss = 9, bitsPerCharacter = 9 } = run.result.figures;
    const { loss = [] } = lossesOf(run);
    expect(loss[0]).toBeGreaterThan(1);
    // Of some 20 characters a line, two choices cannot be known: (ln 3 + ln 2) / 20 = .09.
    expect(validationLoss).toBeLessThan(0.35);
    expect(bitsPerCharacter).toBeCloseTo(validationLoss / Math.LN2, 10);
    await expectSameFigures(charLm, run);

    const saved = await reread(charLm, run, backend);
    const text = await written(
      charLm.generate?.(saved, { prompt: "\n", length: 400, seed: 3, temperature: 0.3 }),
    );
    const lines = text.split("\n").slice(0, -1);
    expect(lines.length).toBeGreaterThan(10);
    const right = lines.filter((line) =>
      Object.entries(people).some(([name, does]) =>
        new RegExp(`^${name} (always )?${does} here\\.$`).test(line),
      ),
    );
    expect(right.length / lines.length).toBeGreaterThan(0.8);
    const again = { prompt: "\n", length: 50, seed: 5 };
    expect(await written(charLm.generate?.(saved, again))).toBe(
      await written(charLm.generate?.(saved, again)),
    );

    const [usual, odd] = await answers(charLm, saved, "ANNA sings here.\nANNA reads here\n");
    expect(usual?.nats).toBeLessThan(Number(odd?.nats));
    expect(odd?.next).toMatchObject([{ character: "." }, {}, {}, {}, {}]);
    const report = readFileSync(join(run.folder, "report.html"), "utf8");
    for (const temperature of [0.5, 0.8, 1.1]) expect(report).toContain(`Temperature ${temperature}`);
  });

  it("trains as in the source, too", async () => {
    const own = { asInSource: true, ...settings, count: 2, learningRate: 0.005 };
    const { result } = await trained(charLm, own, { backend, top });
    expect(result.figures.validationLoss).toBeLessThan(3);
  });
});

describe("word-lm", () => {
  const sentences = play(300).replaceAll(".", " .");
  const data = folderOf("sentences", { "ptb.valid.txt": sentences, "ptb.test.txt": sentences });

  it("learns which words come next, beside n-grams", async () => {
    const options = { lstmSizes: [16], embedSize: 8, steps: 10, keep: 0.9 };
    const run = await trained(
      wordLm,
      { data, count: 8, batchSize: 8, learningRate: 0.02, options },
      { backend, top },
    );
    const { testPerplexity = 99, fiveGramPerplexity = 99, unknownWords } = run.result.figures;
    // Of 5.5 words a line, two choices: 6 ^ (1 / 5.5) = 1.385.
    expect(fiveGramPerplexity).toBeGreaterThan(1.38);
    expect(fiveGramPerplexity).toBeLessThan(1.42);
    expect(testPerplexity).toBeGreaterThan(1.38);
    expect(testPerplexity).toBeLessThan(1.6);
    expect(unknownWords).toBe(0);
    await expectSameFigures(wordLm, run);

    const saved = await reread(wordLm, run, backend);
    const text = await written(wordLm.generate?.(saved, { length: 60, seed: 2, temperature: 0.3 }));
    expect(text).toMatch(/\n[A-Z]+ (always )?[a-z]+ here \.\n/);
    const [answer] = await answers(wordLm, saved, "ANNA always\n");
    expect(answer?.next).toMatchObject([{ word: "sings" }, {}, {}, {}, {}]);
  });
});
