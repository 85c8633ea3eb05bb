// What vectors of words from elsewhere are worth: sentences of film reviews are told apart by a small network over vectors that
// begin at random, over vectors that were trained on other reviews and go on training, and over the same ones frozen, by
// cross-validation. Words without a vector are counted, and frozen rows are held against what they were, bit for bit.
import { createHash } from "node:crypto";
import {
  type Backend,
  type JsonObject,
  layers,
  type Model,
  optimizers,
  RondoError,
  type Sequential,
  sequential,
  Tensor,
} from "rondo";
import { Coverage, Dataset, padSequences, readWordVectors, Vocabulary, type WordVectors } from "rondo/data";
import { type LabelledTexts, reviewPolarity, rtPolarity } from "rondo/datasets";
import {
  batched,
  decimals,
  defineRecipe,
  type Findings,
  option,
  type RecipeOption,
  type Run,
  type Settings,
} from "rondo/recipe";
import { type AnyHistory, classification, roc, table } from "rondo/report";
import { trainWordVectors } from "rondo/vectors";
import { linesOf } from "./numbers.js";
import { Random } from "./random.js";

/** What the vectors of a model begin as, and what becomes of them. */
const kinds = ["frozen", "tuned", "random"] as const;
type Kind = (typeof kinds)[number];
type ByKind<T> = Readonly<Record<Kind, T>>;
const byKind = <T>(make: (kind: Kind) => T): ByKind<T> => ({
  frozen: make("frozen"),
  tuned: make("tuned"),
  random: make("random"),
});

const classes = ["negative", "positive"] as const;
/** Sentences that a model sees at once when it is tested. */
const together = 500;
/** Random vectors are drawn within ± this. */
const range = 0.25;

/** What `--vectors` says for those that the recipe trains itself. */
const ownVectors = "reviews";
const vectors: RecipeOption<string> = {
  description: `a file of word vectors (word2vec, text or binary; GloVe; fastText's .vec), or ${ownVectors}: those that are trained on whole reviews first`,
  default: ownVectors,
  placeholder: "file",
  read: (text) => text,
};

const options = {
  vectors,
  embedSize: option.wholeNumber({ description: "numbers in a vector that is trained here", default: 100 }),
  units: option.wholeNumber({ description: "units of the LSTM layer, of each direction", default: 64 }),
  keep: option.number({
    description:
      "share of the words' vectors, and of what the layer makes of them, that dropout keeps in training",
    default: 0.5,
    above: 0,
    most: 1,
  }),
  folds: option.wholeNumber({
    description: "parts of the sentences, each of which is the test of models that train on the others",
    default: 10,
    least: 2,
  }),
};
type Own = Settings<typeof options>;

export const recipe = defineRecipe({
  name: "word-vectors",
  title: "Film review sentences over frozen, tuned and random word vectors",
  goal: { figure: "frozenAccuracy", bound: "at least", value: 0.7 },
  source: {
    title: `Yoon Kim's comparison of static, non-static and random vectors in "Convolutional neural networks for sentence classification", with an LSTM layer in the place of the convolutions`,
    address: "https://aclanthology.org/D14-1181",
    settings: { count: 8, batchSize: 50, learningRate: 0.001 },
  },
  unit: "epoch",
  defaults: { count: 8, batchSize: 50, learningRate: 0.001 },
  options,
  prediction: {
    reads: "a sentence on each line, in small letters, with spaces around punctuation",
    gives:
      "{ input, line, text, label, probability } for each sentence, by the tuned vectors; probability is the label's",
  },

  async train(settings, run) {
    const { folds } = settings.options;
    const where = { data: settings.data, signal: run.signal };
    const sentences = shuffled(await rtPolarity(where), settings);
    const vocabulary = Vocabulary.fromSequences(sentences.map(({ words }) => words));
    const known = await vectorsFor(vocabulary, settings, run);
    const { table: given, coverage } = known.tableFor(vocabulary, { seed: settings.seed });
    run.say(coverage.toString());
    const tables = { frozen: given, tuned: given, random: randomTable(given.shape, settings.seed) };

    let models = build(tables, settings, run.backend);
    run.begin(models);
    const measures: Measure[] = [];
    const sum = sumOf(given);
    const trained = (fold: number) => {
      const { train, test } = parts(sentences, fold, folds);
      return fitAll(models, { train, test, vocabulary, fold }, settings, run);
    };
    /** Of the part that was interrupted. */
    let cut: ByKind<AnyHistory> | undefined;
    while (measures.length < folds - 1 && !run.signal.aborted) {
      const fold = measures.length;
      const measure = await run.part(`part-${fold + 1}`, async (): Promise<Measure | undefined> => {
        if (fold > 0) models = build(tables, settings, run.backend);
        const histories = await trained(fold);
        if (run.signal.aborted) {
          cut = histories;
          return undefined;
        }
        const { test } = parts(sentences, fold, folds);
        return measureOf(await predictAll(models, test, vocabulary), test, await changes(models, sum));
      });
      if (measure === undefined) break;
      measures.push(measure);
      const accuracies = kinds.map((kind) => `${kind} ${measure.accuracies[kind].toFixed(4)}`);
      run.say(`Part ${fold + 1} of ${folds}: ${accuracies.join(", ")}.`);
    }
    if (cut === undefined && measures.length > 0) models = build(tables, settings, run.backend);
    const histories = cut ?? (await trained(measures.length));

    const isTrained = (kind: Kind) => completed(histories[kind]) === settings.count;
    const kept: Kept = {
      measures,
      last: kinds.filter((kind) => isTrained(kind) || measures.length === 0),
      withoutVector: [...coverage.unknown.keys()],
      sum,
    };
    await run.finish({
      model: models,
      history: histories,
      preprocessing: { vocabulary: vocabulary.toJSON(), ...kept },
      test: () => findings(models, { sentences, vocabulary, kept }, settings),
    });
  },

  async evaluate({ settings, models, preprocessing, signal }) {
    const sentences = shuffled(await rtPolarity({ data: settings.data, signal }), settings);
    const { vocabulary, ...kept } = preprocessing;
    return findings(
      byKind((kind) => modelIn(models, kind)),
      { sentences, vocabulary: Vocabulary.fromJSON(vocabulary), kept: kept as JsonObject & Kept },
      settings,
    );
  },

  async *predict({ models, preprocessing, signal }, inputs) {
    const vocabulary = Vocabulary.fromJSON(preprocessing.vocabulary);
    const model = modelIn(models, "tuned");
    for await (const batch of batched(linesOf(inputs), together)) {
      const x = idsOf(
        batch.map(({ text }) => wordsOf(text)),
        vocabulary,
      );
      const { data } = await model.predict(x, { signal });
      for (const [i, { input, line, text }] of batch.entries()) {
        const positive = data[i] ?? Number.NaN;
        const label = classes[positive > 0.5 ? 1 : 0];
        const [probability = Number.NaN] = decimals([positive > 0.5 ? positive : 1 - positive]);
        yield { input: input.name, line, text, label, probability };
      }
    }
  },
});

interface Sentence {
  readonly text: string;
  readonly words: readonly string[];
  /** 0 negative, 1 positive. */
  readonly label: number;
}

const wordsOf = (text: string): string[] => text.split(/\s+/).filter((word) => word !== "");

/** The sentences in an order that the seed gives. */
const shuffled = ({ texts, y }: LabelledTexts<string>, { seed }: Own): Sentence[] =>
  new Random(seed).permutation(texts.length).map((i) => {
    const text = texts[i] ?? "";
    return { text, words: wordsOf(text), label: y.data[i] ?? 0 };
  });

/** Every so many-th sentence is of the same part: that one is the test, the others train. */
const parts = (sentences: readonly Sentence[], fold: number, folds: number) => ({
  train: sentences.filter((_, i) => i % folds !== fold),
  test: sentences.filter((_, i) => i % folds === fold),
});

/** Ids of the words of sentences, filled up before their first words to the same length. */
const idsOf = (sentences: readonly (readonly string[])[], vocabulary: Vocabulary): Tensor<"int32"> =>
  padSequences(sentences.map((words) => vocabulary.encode(words)));

/** The vectors of a file, or those that are trained on whole reviews: other texts, but for six short sentences of 10,662. */
async function vectorsFor(
  vocabulary: Vocabulary,
  { seed, data, options: { vectors: file, embedSize } }: Own,
  run: Run,
): Promise<WordVectors> {
  if (file !== ownVectors) return readWordVectors(file, { only: vocabulary });
  const { texts } = await reviewPolarity({ data, signal: run.signal });
  const trained = await trainWordVectors(
    new Blob([texts.join("\n")]),
    { vectorSize: embedSize, seed, epochs: 10, minCount: 2 },
    { backend: run.backend, signal: run.signal },
  );
  run.say(
    `Vectors of ${trained.vectors.size} words, trained on ${trained.tokens} words of reviews in ${trained.seconds.training.toFixed(1)} s.`,
  );
  return trained.vectors;
}

/** A table that begins at random, but for its first row, that of the padding. */
function randomTable(shape: readonly number[], seed: number): Tensor<"float32"> {
  const [rows = 0, size = 0] = shape;
  const random = new Random(seed, 1);
  const draw = () => range * (2 * random.uniform() - 1);
  return new Tensor(
    Float32Array.from({ length: rows * size }, (_, i) => (i < size ? 0 : draw())),
    shape,
    "float32",
  );
}

function build(tables: ByKind<Tensor>, { seed, learningRate, options: own }: Own, backend: Backend) {
  return byKind((kind): Sequential => {
    const [inputDim = 0, outputDim = 0] = tables[kind].shape;
    const model = sequential(
      [
        layers.embedding({
          inputDim,
          outputDim,
          maskZero: true,
          weights: tables[kind],
          trainable: kind !== "frozen",
          lazy: true,
        }),
        layers.dropout({ rate: 1 - own.keep }),
        layers.bidirectional({ layer: layers.lstm({ units: own.units, returnSequences: true }) }),
        layers.globalMaxPooling1d(),
        layers.dropout({ rate: 1 - own.keep }),
        layers.dense({ units: 1, activation: "sigmoid" }),
      ],
      { seed, backend },
    );
    model.compile({
      optimizer: optimizers.adam({ learningRate }),
      loss: "binaryCrossentropy",
      metrics: ["accuracy"],
    });
    return model;
  });
}

interface Training {
  readonly train: readonly Sentence[];
  readonly test: readonly Sentence[];
  readonly vocabulary: Vocabulary;
  readonly fold: number;
}

/** Trains the models of a fold one after the other; those that are not begun have empty histories. */
async function fitAll(
  models: ByKind<Sequential>,
  { train, test, vocabulary, fold }: Training,
  { count, batchSize, options: { folds } }: Own,
  run: Run,
): Promise<ByKind<AnyHistory>> {
  const batches = (sentences: readonly Sentence[], isShuffled: boolean) => {
    const samples = Dataset.fromIterable(
      sentences.map(({ words, label }) => ({ x: vocabulary.encode(words), y: label })),
    );
    return (isShuffled ? samples.shuffle(sentences.length) : samples).bucketBySequenceLength(
      ({ x }) => x.length,
      [9, 17, 25, 33],
      batchSize,
      { lengthMultiple: 8 },
    );
  };
  const histories: Record<Kind, AnyHistory> = byKind(() => ({ unit: "epoch", positions: [], values: {} }));
  for (const [i, kind] of kinds.entries()) {
    if (run.signal.aborted) break;
    const progress = {
      onEpochEnd(epoch: number, logs: { val_accuracy?: number }) {
        const done = (fold * kinds.length + i) * count + epoch + 1;
        run.progress(done, folds * kinds.length * count, { [kind]: logs.val_accuracy ?? Number.NaN });
      },
    };
    histories[kind] = await run.fit(kind, (kept) =>
      models[kind].fit(batches(train, true), {
        ...kept,
        epochs: count,
        validationData: batches(test, false),
        callbacks: [...kept.callbacks, progress],
        verbose: 0,
      }),
    );
  }
  return histories;
}

/** Epochs of a training that were completed. */
const completed = (history: AnyHistory): number =>
  "epoch" in history ? history.epoch.length : history.positions.length;

/** What was measured on the test of a fold. */
type Measure = {
  readonly accuracies: ByKind<number>;
  /** Rows that must not change and did: those of the frozen table, and the padding's in every table. */
  readonly changedRows: number;
};

/** What is kept of a run beside its vocabulary and its models, which are those of the last fold. */
type Kept = {
  /** Of the folds before the last. */
  readonly measures: readonly Measure[];
  /** Models of the last fold that count: all of them, unless the run was interrupted before they were trained. */
  readonly last: readonly Kind[];
  /** Words of the vocabulary. */
  readonly withoutVector: readonly string[];
  /** SHA-256 of the table before it was frozen. */
  readonly sum: string;
};

async function predictAll(
  models: ByKind<Model>,
  test: readonly Sentence[],
  vocabulary: Vocabulary,
): Promise<ByKind<Tensor>> {
  const x = idsOf(
    test.map(({ words }) => words),
    vocabulary,
  );
  const [frozen, tuned, random] = await Promise.all([
    models.frozen.predict(x, { batchSize: together }),
    models.tuned.predict(x, { batchSize: together }),
    models.random.predict(x, { batchSize: together }),
  ]);
  return { frozen, tuned, random };
}

const measureOf = (
  probabilities: ByKind<Tensor>,
  test: readonly Sentence[],
  changedRows: number,
): Measure => ({
  accuracies: byKind((kind) => {
    const right = test.filter(({ label }, i) => ((probabilities[kind].data[i] ?? 0) > 0.5 ? 1 : 0) === label);
    return right.length / test.length;
  }),
  changedRows,
});

/** SHA-256 of the bits of a table. */
const sumOf = ({ data }: Tensor): string =>
  createHash("sha256")
    .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    .digest("hex");

/** How many rows are not what they must be: all of the frozen table if one differs in a bit, the padding's if it is not zeros. */
async function changes(models: ByKind<Model>, sum: string): Promise<number> {
  let count = 0;
  for (const kind of kinds) {
    const place = models[kind].weightNames().findIndex((name) => name.endsWith("/embeddings"));
    const rows = (await models[kind].getWeights())[place];
    if (rows === undefined) continue;
    const [size = 0] = rows.shape;
    if (kind === "frozen" && sumOf(rows) !== sum) count += size;
    else if (rows.rows(0, 1).data.some((value) => value !== 0)) count++;
  }
  return count;
}

function modelIn(models: Readonly<Record<string, Model>>, kind: Kind): Model {
  const model = models[kind];
  if (model !== undefined) return model;
  throw new RondoError({
    where: "word-vectors",
    received: `a run with the models ${Object.keys(models).join(", ")}`,
    expected: kinds.join(", "),
    fix: "Train the recipe again",
  });
}

interface Tested {
  readonly sentences: readonly Sentence[];
  readonly vocabulary: Vocabulary;
  readonly kept: Kept;
}

/** Tests the models of the last fold, and puts what was measured of all folds together. */
async function findings(
  models: ByKind<Model>,
  { sentences, vocabulary, kept }: Tested,
  { options: { folds } }: Own,
): Promise<Findings> {
  const { test } = parts(sentences, kept.measures.length, folds);
  const probabilities = await predictAll(models, test, vocabulary);
  const measures = [...kept.measures, measureOf(probabilities, test, await changes(models, kept.sum))];
  const accuraciesOf = (kind: Kind) =>
    (kept.last.includes(kind) ? measures : kept.measures).map(({ accuracies }) => accuracies[kind]);
  const coverage = coverageOf(vocabulary, kept.withoutVector);
  const changedRows = measures.reduce((sum, measure) => sum + measure.changedRows, 0);
  const truth = test.map(({ label }) => label);
  return {
    figures: {
      ...Object.fromEntries(kinds.map((kind) => [`${kind}Accuracy`, meanOf(accuraciesOf(kind))])),
      changedRows,
      knownWords: coverage.shareOfWords,
      knownTokens: coverage.shareOfTokens,
    },
    sections: [
      table({
        title: "Vectors",
        note: `Accuracies over ${measures.length} parts of the sentences, each the test of models that were trained on the others. ${
          changedRows === 0
            ? "Every row of the frozen table has the bits that it had before the training, in every part; the row of _PAD is zeros in all tables."
            : `${changedRows} rows changed that must not.`
        }`,
        columns: ["vectors", "mean accuracy", "standard error", "lowest", "highest"],
        rows: kinds.map((kind) => {
          const all = accuraciesOf(kind);
          return [kind, meanOf(all), standardErrorOf(all), Math.min(...all), Math.max(...all)];
        }),
      }),
      table({
        title: "Words without a vector",
        note: coverage.toString(),
        columns: ["word", "times"],
        rows: coverage.commonestUnknown(25),
      }),
      table({
        title: "Accuracy of each part",
        columns: ["part", ...kinds],
        rows: measures.map((_, i) => [
          String(i + 1),
          ...kinds.map((kind) => accuraciesOf(kind)[i] ?? "not trained"),
        ]),
      }),
      classification(truth, probabilities.tuned, { names: classes }),
      roc(truth, probabilities.tuned, { positive: classes[1] }),
    ],
  };
}

/** How much of a vocabulary has vectors. */
function coverageOf(vocabulary: Vocabulary, withoutVector: readonly string[]): Coverage {
  const unknown = new Set(withoutVector);
  const coverage = new Coverage();
  for (const [id, word] of vocabulary.tokens.entries())
    if (id >= vocabulary.reservedSize) coverage.add(word, !unknown.has(word), vocabulary.counts[id]);
  return coverage;
}

const meanOf = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** Of the mean of some values. */
function standardErrorOf(values: readonly number[]): number {
  const mean = meanOf(values);
  const variance = meanOf(values.map((value) => (value - mean) ** 2)) * (values.length / (values.length - 1));
  return Math.sqrt(variance / values.length);
}
