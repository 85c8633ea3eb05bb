// Every recipe in miniature: it trains, its folder is measured again, and its models answer.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Backend, createBackend, type JsonObject, Tensor, toCategorical } from "rondo";
import {
  openRun,
  PredictInput,
  type Recipe,
  Run,
  type RunResult,
  type SavedRun,
  settingsOf,
} from "rondo/recipe";
import { afterAll, describe, expect, it, vi } from "vitest";
import { recipe as bilstm } from "./bilstm.js";
import { recipe as cnnLstm, quadrants } from "./cnn-lstm.js";
import { recipe as doubleLstm } from "./double-lstm.js";
import { recipe as maskedLstm, paddedSequences } from "./masked-lstm.js";
import { Random } from "./random.js";
import { recipe as regression } from "./regression.js";
import { recipe as sequenceTagging } from "./sequence-tagging.js";
import { recipe as simpleRnn } from "./simple-rnn.js";
import { recipe as stackedLstm } from "./stacked-lstm.js";

const backend = await createBackend({ threads: 2, warn: () => undefined });
const top = mkdtempSync(join(tmpdir(), "rondo-recipes-"));
afterAll(async () => {
  await backend.close();
  rmSync(top, { recursive: true });
});

/** Pictures of one bright row, whose number is the digit. */
function digits(count: number, seed: number) {
  const random = new Random(seed);
  const labels = Uint8Array.from({ length: count }, () => random.whole(0, 9));
  const bytes = Uint8Array.from({ length: count * 784 }, (_, i) => {
    const row = Math.floor((i % 784) / 28);
    return row === 2 * (labels[Math.floor(i / 784)] ?? 0) ? random.whole(128, 255) : random.whole(0, 31);
  });
  return {
    bytes,
    labels,
    x: new Tensor(
      Float32Array.from(bytes, (byte) => byte / 255),
      [count, 28, 28],
      "float32",
    ),
    y: toCategorical(labels, 10),
  };
}
const test = digits(30, 1);
vi.mock("rondo/datasets", () => ({
  mnist: async () => ({ train: digits(200, 2), validation: digits(20, 3), test }),
}));

interface Trained {
  readonly folder: string;
  readonly result: RunResult | undefined;
}

/**
 * Trains with seed 1 into a folder of its own.
 *
 * @param watched gets what the run says
 */
async function train(
  recipe: Recipe,
  wishes: object,
  watched?: { readonly signal: AbortSignal; onLine(text: string): void },
): Promise<Trained> {
  const folder = mkdtempSync(join(top, `${recipe.name}-`));
  const settings = settingsOf(recipe, { seed: 1, ...wishes });
  const run = await Run.open({
    recipe,
    settings,
    backend,
    folder,
    signal: watched?.signal ?? new AbortController().signal,
    quiet: watched === undefined,
    json: false,
    print: (text) => watched?.onLine(text),
  });
  await recipe.train(settings, run);
  return { folder, result: run.result };
}

async function load(recipe: Recipe, { folder }: Trained, on: Backend = backend): Promise<SavedRun> {
  const stored = await openRun(folder, [recipe]);
  return stored.load({ backend: on, signal: new AbortController().signal });
}

async function ask(recipe: Recipe, saved: SavedRun, text: string | Uint8Array): Promise<JsonObject[]> {
  const input = new PredictInput("asked", typeof text === "string" ? new TextEncoder().encode(text) : text);
  const answers: JsonObject[] = [];
  for await (const answer of recipe.predict(saved, [input])) answers.push(answer);
  return answers;
}

/** What the recipe says to an input that it cannot take. */
const refusal = (recipe: Recipe, saved: SavedRun, text: string): Promise<string> =>
  ask(recipe, saved, text).then(
    (answers) => JSON.stringify(answers),
    (error: unknown) => String(error),
  );

/** The same figures, in the same order, from the folder alone and with another number of threads. */
async function expectSameFigures(recipe: Recipe, trained: Trained): Promise<void> {
  const other = await createBackend({ threads: 1, warn: () => undefined });
  try {
    const saved = await load(recipe, trained, other);
    const { figures, sections } = await recipe.evaluate(saved);
    expect(figures).toEqual(trained.result?.figures);
    expect(sections.length).toBeGreaterThan(0);
  } finally {
    await other.close();
  }
}

describe.each([
  ["double-lstm", doubleLstm, { count: 1, batchSize: 50 }],
  ["bilstm", bilstm, { count: 1, batchSize: 50 }],
  ["simple-rnn", simpleRnn, { count: 4, batchSize: 50 }],
  ["cnn-lstm", cnnLstm, { count: 1, batchSize: 50 }],
  ["stacked-lstm", stackedLstm, { count: 2, batchSize: 20 }],
])("%s", (_, recipe, wishes) => {
  it("is measured to the same bits from its folder, and tells the class of pictures", async () => {
    const trained = await train(recipe, wishes);
    await expectSameFigures(recipe, trained);
    const saved = await load(recipe, trained);
    const header = Uint8Array.of(0, 0, 8, 3, 0, 0, 0, 30, 0, 0, 0, 28, 0, 0, 0, 28);
    const answers = await ask(recipe, saved, Buffer.concat([header, test.bytes]));
    const right = answers.filter((answer, i) => answer.class === test.labels[i]).length;
    expect(right / 30).toBe(trained.result?.figures.testAccuracy);
    const probabilities = await saved.model.predict(recipe === cnnLstm ? quadrants(test.x) : test.x);
    expect(answers.map((answer) => Float32Array.from(answer.probabilities as number[]))).toEqual(
      Array.from({ length: 30 }, (_, i) => probabilities.data.slice(10 * i, 10 * i + 10)),
    );
    expect(answers.map(({ input, index }) => [input, index])).toEqual(
      Array.from({ length: 30 }, (_, i) => ["asked", i]),
    );
  });
});

describe("cnn-lstm", () => {
  it("puts the quadrants of a picture in four orders side by side", () => {
    const x = new Tensor(
      Float32Array.from({ length: 784 }, (_, i) => 1 + (Math.floor(i / 392) << 1) + (Math.floor(i / 14) & 1)),
      [1, 28, 28],
      "float32",
    );
    const { data, shape } = quadrants(x);
    expect(shape).toEqual([1, 4, 56, 14, 1]);
    // Each quadrant holds its number.
    const seen = Array.from({ length: 16 }, (_, i) => new Set(data.subarray(196 * i, 196 * (i + 1))));
    const columns = ["1234", "4321", "1324", "4231"];
    expect(seen.map((values) => [...values])).toEqual(
      [0, 1, 2, 3].flatMap((t) => columns.map((order) => [Number(order[t])])),
    );
  });

  it("learns", async () => {
    const { result } = await train(cnnLstm, { count: 12, batchSize: 20, learningRate: 0.003 });
    expect(result?.figures.testAccuracy).toBeGreaterThan(0.8);
  }, 60_000);
});

describe("regression", () => {
  it("is measured to the same bits, and every optimizer's model says its y", async () => {
    const options = { units: 4, optimizers: ["sgd", "rmsprop", "nadam"] };
    const trained = await train(regression, { count: 3, options });
    await expectSameFigures(regression, trained);
    const saved = await load(regression, trained);
    const answers = await ask(regression, saved, "0.5\n\n -1e-1 \n");
    expect(answers.map(({ line, x }) => [line, x])).toEqual([
      [1, 0.5],
      [3, -0.1],
    ]);
    for (const [name, model] of Object.entries(saved.models)) {
      const { data } = await model.predict([[[0.5]], [[-0.1]]]);
      expect(answers.map(({ y }) => Math.fround((y as Record<string, number>)[name] ?? 0))).toEqual([
        ...data,
      ]);
    }
    expect(await refusal(regression, saved, "1\nx\n")).toBe(
      'RondoError: asked, line 2: received "x", expected a number. Write one number on each line, or a table with a column x whose name ends in .csv or .tsv.',
    );
    for (const text of ["Infinity", "1e39", "1 2"])
      expect(await refusal(regression, saved, text)).toContain(`line 1: received "${text}"`);
  });

  it("reads the column x of tables", async () => {
    const saved = await load(
      regression,
      await train(regression, { count: 1, options: { units: 2, optimizers: ["sgd"] } }),
    );
    const rows = async (content: string) => {
      const path = join(top, "table.csv");
      writeFileSync(path, content);
      const answers: JsonObject[] = [];
      for await (const answer of regression.predict(saved, [new PredictInput("table.csv", path)]))
        answers.push(answer);
      return answers.map(({ line, x }) => [line, x]);
    };
    expect(await rows('name,x\n"a\nb",1\nc,2\n')).toEqual([
      [2, 1],
      [4, 2],
    ]);
    await expect(rows("name,x\na,1\nc,\n")).rejects.toThrow(
      'table.csv, line 3: received "", expected a number',
    );
    await expect(rows("name,y\na,1\n")).rejects.toThrow("received the columns name, y, expected a column x");
  });
});

describe("sequence-tagging", () => {
  it("is measured to the same bits, and tags sequences in any of their forms", async () => {
    const trained = await train(sequenceTagging, { count: 100, options: { layer: "bilstm", units: 4 } });
    await expectSameFigures(sequenceTagging, trained);
    const saved = await load(sequenceTagging, trained);
    const numbers = [0.1, 0.9, 0.8, 0.7, 0.2, 0.3, 0.4, 0.5, 0.6, 1];
    const forms = `[${numbers}]\n${numbers.join(" ")}\n  ${numbers.join(", \t")} \n`;
    const answers = await ask(sequenceTagging, saved, forms);
    expect(answers.map(({ line }) => line)).toEqual([1, 2, 3]);
    const { data } = await saved.model.predict([numbers.map((value) => [value])]);
    for (const { tags, probabilities } of answers) {
      expect(probabilities).toEqual(Array.from(data, (p) => expect.closeTo(p, 6)));
      expect(tags).toEqual(Array.from(data, (p) => (p > 0.5 ? 1 : 0)));
    }
    for (const [line, received] of [
      ["1 2 3", "3 numbers"],
      ["[1, 2, 3, 4, 5, 6, 7, 8, 9, null]", '"[1, 2, 3, 4, 5, 6, 7, 8, 9, null]"'],
      ["1 2 3 4 5 6 7 8 9 ten", '"1 2 3 4 5 6 7 8 9 ten"'],
    ] as const)
      expect(await refusal(sequenceTagging, saved, line)).toContain(
        `asked, line 1: received ${received}, expected 10 numbers`,
      );
  });
});

describe("masked-lstm", () => {
  const wishes = { count: 1, batchSize: 50 };

  it("is measured to the same bits, and says the same of a sequence alone and beside longer ones", async () => {
    const trained = await train(maskedLstm, wishes);
    expect(trained.result?.figures.changedWeights).toBe(0);
    await expectSameFigures(maskedLstm, trained);
    const saved = await load(maskedLstm, trained);
    const { x, lengths } = paddedSequences(1);
    const [first = 0, second = 0] = lengths;
    const steps = (row: number, count: number) =>
      Array.from({ length: count }, (_, step) => {
        const begin = (row * 362 + step) * 24;
        return Array.from(x.data.subarray(begin, begin + 24));
      });
    const lines = [steps(0, first), steps(1, second), steps(1, 6)].map((sequence) =>
      JSON.stringify(sequence),
    );
    const together = await ask(maskedLstm, saved, lines.join("\n"));
    const values = together.map(({ values }) => values as number[]);
    expect(values.map(({ length }) => length)).toEqual([first - 5, second - 5, 1]);
    const expected = await saved.model.predict(x.rows(0, 2));
    for (const [i, value] of (values[0] ?? []).entries()) expect(value).toBeCloseTo(expected.data[i] ?? 0, 6);
    const [alone = {}] = await ask(maskedLstm, saved, lines[1] ?? "");
    expect(alone.values).toHaveLength(second - 5);
    for (const [i, value] of (alone.values as number[]).entries()) {
      expect(value).toBeCloseTo(expected.data[357 + i] ?? 0, 6);
      expect(value).toBeCloseTo(values[1]?.[i] ?? 0, 6);
    }
    expect(values[2]?.[0]).toBeCloseTo(values[1]?.[0] ?? 0, 6);

    const step = `[${"1,".repeat(23)}1]`;
    for (const [line, received] of [
      ["x", '"x"'],
      [`[${step},${step}]`, "2 steps"],
      [`[${step},[1,2]]`, '"[1,2]" as step 1'],
      [`[${step},${step.replace("1]", "null]")}]`, `"${step.replace("1]", "null]")}" as step 1`],
    ] as const)
      expect(await refusal(maskedLstm, saved, `\n${line}`)).toContain(
        `asked, line 2: received ${received}, expected a list of at least 6 steps`,
      );
  });

  it("does not compare trainings that ended at different steps", async () => {
    const progress = vi.spyOn(process.stdout, "write").mockReturnValue(true);
    const abort = new AbortController();
    const trained = await train(maskedLstm, wishes, {
      signal: abort.signal,
      onLine: (text) => {
        if (text.includes("padded with NaN")) abort.abort();
      },
    });
    progress.mockRestore();
    expect(trained.result?.interrupted).toBe(true);
    expect(Object.keys(trained.result?.figures ?? {})).toEqual([
      "lossDifference",
      "maskedLoss",
      "unmaskedLoss",
    ]);
  });
});
