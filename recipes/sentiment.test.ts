import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { createBackend } from "rondo";
import { csvText } from "rondo/data";
import { stocktwits } from "rondo/datasets";
import { afterAll, describe, expect, it } from "vitest";
import { answers, expectSameFigures, reread, type Trained, trained } from "../tests/recipeRuns.js";
import { Random } from "./random.js";
import { recipe } from "./sentiment.js";
import { tokensOf } from "./sentiment-words.js";

const backend = await createBackend({ threads: 1, warn: () => undefined });
const top = mkdtempSync(join(tmpdir(), "rondo-sentiment-"));
afterAll(async () => {
  await backend.close();
  rmSync(top, { recursive: true });
});

const moods = {
  bullish: ["calls", "moon", "rally", "higher", "buying", "breakout", "🚀"],
  bearish: ["puts", "crash", "selloff", "lower", "dumping", "collapse", "🐻"],
};
const fillers = "the market is so today and we will see $SPY $QQQ @trader 240.50 10% now , ! ...".split(" ");

/** Messages of some words, of which one or two are of its mood. */
function messages(count: number, seed: number): { readonly text: string; readonly label: string }[] {
  const random = new Random(seed);
  const one = (of: readonly string[]) => of[random.whole(0, of.length - 1)] ?? "";
  return Array.from({ length: count }, () => {
    const label = random.uniform() < 0.55 ? "bullish" : "bearish";
    const before = Array.from({ length: random.whole(1, 8) }, () => one(fillers));
    const after = Array.from({ length: random.whole(0, 4) }, () => one(fillers));
    return { text: ["$SPY", ...before, one(moods[label]), ...after].join(" "), label };
  });
}

/** A folder with messages in the form of the published file. */
function folderOf(name: string, all: readonly { readonly text: string; readonly label: string }[]): string {
  const folder = join(top, name);
  mkdirSync(folder);
  const rows = all.map(({ text, label }, i) => [i, text, label] as const);
  const text = csvText(rows, { header: ["", "message", "sentiment"] });
  writeFileSync(join(folder, "StockTwits_SPY_Sentiment_2017.gz"), gzipSync(text));
  return folder;
}

const data = folderOf("messages", messages(600, 1));
const small = { count: 8, batchSize: 16, learningRate: 0.01, data };
const sizes = { lstmSizes: [8], embedSize: 8, pairSize: 4 };

/** What was measured in each epoch, by name. */
const historyOf = ({ folder }: Trained) =>
  JSON.parse(readFileSync(join(folder, "history.json"), "utf8")) as Readonly<Record<string, number[]>>;

describe("the recipe", () => {
  it("learns which words are bullish, by its defaults", async () => {
    const run = await trained(recipe, { ...small, options: sizes }, { backend, top });
    const { testAccuracy = 0, rocArea = 0, newMessages } = run.result.figures;
    expect(testAccuracy).toBeGreaterThan(0.9);
    expect(rocArea).toBeGreaterThan(0.95);
    expect(newMessages).toBeGreaterThan(0.9);
    const { loss = [], val_accuracy: accuracies = [] } = historyOf(run);
    expect(loss).toHaveLength(8);
    expect(loss.at(-1)).toBeLessThan(0.5 * (loss[0] ?? 0));
    expect(Math.max(...accuracies)).toBeGreaterThan(0.9);
    await expectSameFigures(recipe, run);

    const saved = await reread(recipe, run, backend);
    const lines = ["$SPY buying the breakout", "we will see a crash now", "nothing known at all", "🐻"];
    const said = await answers(recipe, saved, lines.join("\n\n"));
    expect(said.map(({ line, text }) => [line, text])).toEqual(lines.map((text, i) => [2 * i + 1, text]));
    expect(said.map(({ label }) => label)).toEqual(["bullish", "bearish", expect.any(String), "bearish"]);
    for (const { probability } of said) {
      expect(probability).toBeGreaterThanOrEqual(0.5);
      expect(probability).toBeLessThanOrEqual(1);
    }
    // The padding that longer messages beside it give it changes nothing.
    const [alone] = await answers(recipe, saved, lines[3] ?? "");
    expect(alone?.probability).toBeCloseTo(Number(said[3]?.probability), 6);

    const report = readFileSync(join(run.folder, "report.html"), "utf8");
    for (const title of ["Confusion matrix", "ROC curve", "Worst mistakes"])
      expect(report).toContain(`<h2>${title}</h2>`);
  });

  it.each([["masked"], ["unmasked"]])(
    "trains by the tutorial's settings, padding %s, and is measured to the same bits",
    async (padding) => {
      const options = { lstmSizes: [8, 4], embedSize: 8, padding, steps: 16 };
      const asInSource = { ...small, asInSource: true, count: 10, learningRate: 20, options };
      const run = await trained(recipe, asInSource, { backend, top });
      const { loss = [] } = historyOf(run);
      // A mean squared error of 0.25 is that of saying 0.5 to all.
      expect(loss.at(-1)).toBeLessThan(0.9 * (loss[0] ?? 0));
      expect(run.result.figures.testAccuracy).toBeGreaterThan(0.6);
      await expectSameFigures(recipe, run);
      const vocabulary = readFileSync(join(run.folder, "preprocessing.json"), "utf8");
      expect(vocabulary).toContain("<TICKER>");
      expect(vocabulary).not.toContain("$spy");
    },
  );

  it("tests with the weights of the epoch whose validation accuracy is the best", async () => {
    const best = async (count: number) => {
      // With the tutorial's settings the learning rate does not hang on the number of epochs.
      const model = { ...sizes, model: "bilstm", padding: "masked", optimizer: "adam" };
      const wishes = { ...small, asInSource: true, learningRate: 0.05, count, options: model };
      const run = await trained(recipe, wishes, { backend, top });
      const { val_accuracy: accuracies = [] } = historyOf(run);
      const epoch = accuracies.indexOf(Math.max(...accuracies)) + 1;
      return { epoch, loss: run.result.figures.testLoss };
    };
    const longer = await best(10);
    expect(longer.epoch).toBeLessThan(10);
    expect(await best(longer.epoch)).toEqual(longer);
  });

  it("says the accuracy without repeated messages", async () => {
    const some = messages(200, 2);
    const repeated = folderOf("repeated", [...some, ...some.slice(0, 100)]);
    const run = await trained(
      recipe,
      { ...small, count: 2, data: repeated, options: sizes },
      { backend, top },
    );
    const { testAccuracy = 0, newMessages = 1, newMessagesAccuracy = 0 } = run.result.figures;
    // Of 300 messages 30 are tested; that of a pair both are in training or one is tested is likely.
    expect(newMessages).toBeGreaterThan(0.2);
    expect(newMessages).toBeLessThan(0.9);
    const right = Math.round(30 * testAccuracy);
    const fresh = Math.round(30 * newMessages);
    const freshRight = Math.round(fresh * newMessagesAccuracy);
    expect(newMessagesAccuracy).toBeCloseTo(freshRight / fresh, 12);
    expect(freshRight).toBeLessThanOrEqual(right);
    expect(right - freshRight).toBeLessThanOrEqual(30 - fresh);
  });

  it("names what is wrong with the data", async () => {
    const broken = folderOf("broken", [
      { text: "a", label: "bullish" },
      { text: "b", label: "neutral" },
    ]);
    await expect(trained(recipe, { ...small, data: broken }, { backend, top })).rejects.toThrow(
      /the sentiment "neutral" in the row that begins in line 3, expected bearish or bullish/,
    );
    const absent = join(top, "absent");
    await expect(trained(recipe, { ...small, data: absent }, { backend, top })).rejects.toThrow(
      /absent, which does not exist.*Download https:.*StockTwits_SPY_Sentiment_2017\.gz/,
    );
  });

  const real = [join(process.env.RONDO_DATA ?? "", "stocktwits")].filter(existsSync);
  it.each(real)("learns on a slice of the real messages in %s", async (published) => {
    const { texts, y } = await stocktwits({ data: published });
    const slice = texts
      .slice(0, 3000)
      .map((text, i) => ({ text, label: y.data[i] === 1 ? "bullish" : "bearish" }));
    const run = await trained(
      recipe,
      { ...small, count: 3, data: folderOf("slice", slice), options: { ...sizes, lstmSizes: [16] } },
      { backend, top },
    );
    expect(run.result.figures.rocArea).toBeGreaterThan(0.6);
  });
});

describe("the tokens of messages", () => {
  const text =
    "$SPY Will make a NEW ATH. Don't miss!! 10% gain @Bob $240.50 or 1,234 http://a.b/c 🚨🚨 #up... <3 &amp; 5k";

  it("are all words, names, numbers and signs", () => {
    expect(tokensOf(text, "words").join(" ")).toBe(
      "$spy will make a new ath . don't miss !! 10% gain @bob $240.50 or 1,234 <url> 🚨 🚨 #up ... < 3 & amp ; 5 k",
    );
    expect(tokensOf(" \n", "words")).toEqual([""]);
  });

  it("are the tutorial's, with a word for each kind", () => {
    // What the tutorial's own function gives.
    expect(tokensOf(text, "entities").join(" ")).toBe(
      "<TICKER> will make a new ath dont miss <NUMBER> gain <USER> <PRICE> or <NUMBER> <NUMBER> <LINK> up <NUMBER> <NUMBER> k",
    );
    expect(tokensOf("🚨 ...", "entities")).toEqual([""]);
  });
});
