import { readOptions } from "../config/config.js";
import { WordVectors } from "../data/wordVectors.js";
import { RondoError } from "../errors.js";
import type { ByteSource } from "../files/chunks.js";
import type { Backend, Memory } from "../runtime/backend.js";
import { defaultBackend } from "../runtime/default.js";
import { Tensor } from "../tensor.js";
import { Corpus } from "./corpus.js";
import { type VectorsOptions, type VectorsSettings, vectorsFields } from "./options.js";
import { firstVectorsProgram, stateOf, trainingProgram, type VectorsShape } from "./program.js";
import { aliasTable, cutOf, keptShares, negativeWeights } from "./tables.js";

/** How far it is. */
export type VectorsProgress =
  | { readonly phase: "reading"; readonly words: number }
  | {
      readonly phase: "training";
      /** Of the text, in all passes so far. */
      readonly words: number;
      /** Of all passes. */
      readonly share: number;
      /** From 0. */
      readonly epoch: number;
      readonly epochs: number;
      readonly seconds: number;
    };

/** Where and under whose eyes word vectors are trained. */
export interface VectorsRun {
  /** Default: the one that models share. */
  readonly backend?: Backend | undefined;
  /** Where the temporary file lies that the text is kept in as numbers, 4 bytes a word. Default: the system's folder for them. */
  readonly folder?: string | undefined;
  /** Ends the training, which then rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
  /** Told how far it is. */
  readonly onProgress?: ((progress: VectorsProgress) => void) | undefined;
}

/** What was trained, and how. */
export interface TrainedVectors {
  /** The commonest word first. */
  readonly vectors: WordVectors;
  /** How often each word comes. */
  readonly counts: readonly number[];
  /** Words of the text, those without a vector among them. */
  readonly tokens: number;
  readonly sentences: number;
  /** Different words that were forgotten while the text was read, for there were more than `maxVocabulary`. */
  readonly forgotten: number;
  readonly settings: VectorsSettings;
  readonly seconds: { readonly reading: number; readonly training: number };
}

/** Words that one run trains on, a multiple of every round's. Sentences are cut where it ends. */
const blockWords = 2 ** 14;

/**
 * Vectors of the words of a text, by skip-gram with negative sampling (Mikolov et al., "Distributed representations of words
 * and phrases and their compositionality", 2013). The text is UTF-8, packed with gzip or not, a sentence a line, with spaces
 * between words; it is read once and may be larger than memory.
 *
 * The same text, options and seed give the same bits on one instruction set, with any number of threads.
 *
 *     const { vectors } = await trainWordVectors("reviews.txt", { vectorSize: 100, seed: 1 });
 *     vectors.mostSimilar("film");
 *
 * @throws RondoError for options that do not fit, for a text that is no UTF-8, is empty, or of which no word comes often enough,
 *   and where vectors do not stay finite; the signal's reason
 */
export async function trainWordVectors(
  source: ByteSource,
  options: VectorsOptions = {},
  run: VectorsRun = {},
): Promise<TrainedVectors> {
  const where = "trainWordVectors";
  const settings = readOptions(vectorsFields, options, where);
  const { signal, onProgress } = run;
  const started = performance.now();
  const corpus = await Corpus.read(where, source, {
    ...settings,
    folder: run.folder,
    signal,
    onRead: (words) => onProgress?.({ phase: "reading", words }),
  });
  try {
    const backend = run.backend ?? (await defaultBackend());
    const read = performance.now();
    const vectors = await train(where, corpus, settings, backend, run);
    const { counts, tokens, sentences, forgotten } = corpus;
    const seconds = { reading: (read - started) / 1000, training: (performance.now() - read) / 1000 };
    return { vectors, counts, tokens, sentences, forgotten, settings, seconds };
  } finally {
    await corpus.close();
  }
}

async function train(
  where: string,
  corpus: Corpus,
  settings: VectorsSettings,
  backend: Backend,
  { signal, onProgress }: VectorsRun,
): Promise<WordVectors> {
  const { vectorSize, window, negative, epochs, learningRate, minLearningRate } = settings;
  const keep = keptShares(corpus.counts, settings.sample);
  const { roundWords, lanes } = cutOf(corpus.counts, keep, corpus.length, settings);
  const rounds = blockWords / roundWords;
  const shape = { words: corpus.words.length, vectorSize, window, negative, lanes, rounds, roundWords };
  const begun = performance.now();
  const tell = (share: number, epoch: number) => {
    const words = Math.round(share * corpus.tokens * epochs);
    const seconds = (performance.now() - begun) / 1000;
    onProgress?.({ phase: "training", words, share, epoch, epochs, seconds });
  };
  const memory = backend.allocate(stateOf(shape).bytes);
  const executable = backend.load(trainingProgram(shape), memory);
  try {
    await begin(backend, memory, shape, settings.seed, { counts: corpus.counts, keep });
    /** Of all passes: what has been handed to the backend. */
    const all = corpus.length * epochs;
    let before = Promise.resolve();
    for (let epoch = 0; epoch < epochs; epoch++) {
      let position = 0;
      for await (const block of corpus.blocks(blockWords)) {
        signal?.throwIfAborted();
        const done = epoch * corpus.length + position;
        const rateAt = (round: number) =>
          learningRate - (learningRate - minLearningRate) * Math.min(1, (done + round * roundWords) / all);
        const rates = Float32Array.from({ length: rounds }, (_, round) => rateAt(round));
        const place = Int32Array.of(position | 0, Math.floor(position / 2 ** 32), epoch);
        const now = executable.run({
          entry: "main",
          state: memory,
          inputs: [block, place, rates],
          outputs: [],
        });
        // One run waits while another is at work. An error of this one is thrown when it is awaited.
        now.catch(() => undefined);
        await before;
        before = now;
        tell(done / all, epoch);
        position += blockWords;
      }
    }
    await before;
    tell(1, epochs - 1);
    return await vectorsIn(where, memory, shape, corpus.words);
  } finally {
    executable.free();
    memory.free();
  }
}

/** Rows of a table that are handed over at a time. */
const rowsAtOnce = 1024;

/** Writes the state that training begins with. */
async function begin(
  backend: Backend,
  memory: Memory,
  shape: VectorsShape,
  seed: number,
  { counts, keep }: { readonly counts: readonly number[]; readonly keep: Float32Array },
): Promise<void> {
  const { words, vectorSize } = shape;
  const state = stateOf(shape);
  const { probability, alias } = aliasTable(negativeWeights(counts));
  const key = Int32Array.of(seed | 0, Math.floor(seed / 2 ** 32));
  await Promise.all([
    memory.write(state.keep, keep),
    memory.write(state.probability, probability),
    memory.write(state.alias, alias),
    memory.write(state.seed, key),
  ]);
  const drawing = backend.load(firstVectorsProgram(rowsAtOnce, vectorSize));
  const drawn = new Float32Array(rowsAtOnce * vectorSize);
  for (let row = 0; row < words; row += rowsAtOnce) {
    await drawing.run({ entry: "main", state: memory, inputs: [key, Int32Array.of(row)], outputs: [drawn] });
    const rows = Math.min(rowsAtOnce, words - row);
    const padded = new Float32Array(rows * state.cols);
    for (let i = 0; i < rows; i++)
      padded.set(drawn.subarray(i * vectorSize, (i + 1) * vectorSize), i * state.cols);
    await memory.write(state.input + 4 * row * state.cols, padded);
  }
  drawing.free();
}

/** The vectors in the state. */
async function vectorsIn(
  where: string,
  memory: Memory,
  shape: VectorsShape,
  words: readonly string[],
): Promise<WordVectors> {
  const { vectorSize } = shape;
  const state = stateOf(shape);
  const data = new Float32Array(words.length * vectorSize);
  for (let row = 0; row < words.length; row += rowsAtOnce) {
    const rows = Math.min(rowsAtOnce, words.length - row);
    const padded = new Float32Array(rows * state.cols);
    await memory.read(state.input + 4 * row * state.cols, padded);
    for (let i = 0; i < rows; i++) {
      const vector = padded.subarray(i * state.cols, i * state.cols + vectorSize);
      if (!vector.every(Number.isFinite)) throw notFinite(where, words[row + i] ?? "");
      data.set(vector, (row + i) * vectorSize);
    }
  }
  return new WordVectors(words, new Tensor(data, [words.length, vectorSize], "float32"));
}

const notFinite = (where: string, word: string): RondoError =>
  new RondoError({
    where,
    received: `a vector of ${JSON.stringify(word)} that is not finite`,
    expected: "numbers",
    fix: "Lower learningRate",
  });
