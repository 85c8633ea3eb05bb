import {
  type Backend,
  generate,
  layers,
  optimizers,
  type Sequential,
  schedules,
  sequential,
  type TextVocabulary,
} from "rondo";
import { decimals, type Run, type Settings } from "rondo/recipe";
import { type GeneratedText, generation } from "rondo/report";
import { stepsFor, type TextBatches, textBatches } from "./text-batches.js";

/** How a language model is built and trained. */
export interface LanguageOptions {
  readonly lstmSizes: readonly number[];
  readonly embedSize: number;
  /** Share of the numbers that dropout keeps. */
  readonly keep: number;
  /** Ids of a training step in each row. */
  readonly steps: number;
}

/** The parts of a text, as ids. */
export interface TextParts {
  readonly train: Int32Array;
  readonly validation: Int32Array;
}

/** An embedding, LSTM layers whose states go on from batch to batch, and the probabilities of the id that comes next. */
export function languageModel(
  { seed, batchSize, learningRate, count, asInSource }: Settings,
  { lstmSizes, embedSize, keep }: LanguageOptions,
  size: number,
  stepsPerEpoch: number,
  backend: Backend,
): Sequential {
  const dropout = () => (keep < 1 ? [layers.dropout({ rate: 1 - keep })] : []);
  const model = sequential(
    [
      layers.embedding({ inputDim: size, outputDim: embedSize, inputShape: [null], batchSize }),
      ...lstmSizes.flatMap((units) => [
        layers.lstm({ units, returnSequences: true, stateful: true }),
        ...dropout(),
      ]),
      layers.dense({ units: size, activation: "softmax" }),
    ],
    { seed, backend },
  );
  const updates = count * stepsPerEpoch;
  const warmupSteps = Math.min(200, Math.floor(updates / 10));
  model.compile({
    optimizer: asInSource
      ? optimizers.rmsprop({ learningRate, rho: 0.95, epsilon: 1e-8, clipValue: 5 })
      : optimizers.adam({
          learningRate: schedules.cosineDecay({
            initialLearningRate: 0,
            warmupTarget: learningRate,
            warmupSteps,
            decaySteps: updates - warmupSteps,
          }),
          globalClipNorm: 1,
        }),
    loss: "sparseCategoricalCrossentropy",
  });
  return model;
}

/** The batches of a text for a model of so many rows. */
export function batchesOf(
  ids: Int32Array,
  { batchSize, options: { steps } }: { readonly batchSize: number; readonly options: LanguageOptions },
): TextBatches {
  return textBatches(ids, batchSize, stepsFor(ids.length, batchSize, steps));
}

/** Trains with the batches in their order; the states begin at zero in every epoch, and in every validation. */
export async function trainOnText(
  model: Sequential,
  settings: Settings & { readonly options: LanguageOptions },
  { train, validation }: TextParts,
  run: Run,
) {
  const own = batchesOf(train, settings);
  const held = batchesOf(validation, settings);
  const begin = { onEpochBegin: () => model.resetStates(), onTestBegin: () => model.resetStates() };
  const slower = { onEpochBegin: slowerFromTheEleventh(model, settings.learningRate) };
  return run.fit("model", (kept) =>
    model.fit(own.x, own.y, {
      ...kept,
      epochs: settings.count,
      batchSize: settings.batchSize,
      shuffle: false,
      validationData: [held.x, held.y],
      callbacks: [...kept.callbacks, begin, ...(settings.asInSource ? [slower] : [])],
    }),
  );
}

/** The learning rate of char-rnn: 0.97 times that of the epoch before, from the eleventh on. */
const slowerFromTheEleventh = (model: Sequential, learningRate: number) => (epoch: number) => {
  model.learningRate = learningRate * 0.97 ** Math.max(0, epoch - 9);
};

/** Mean of −ln p over the ids of a text, each after all ids before it in its row. */
export async function lossOn(
  model: Sequential,
  ids: Int32Array,
  settings: { readonly batchSize: number; readonly options: LanguageOptions },
): Promise<number> {
  const { x, y } = batchesOf(ids, settings);
  await model.resetStates();
  const [loss = Number.NaN] = await model.evaluate(x, y, { batchSize: settings.batchSize, verbose: 0 });
  await model.resetStates();
  return loss;
}

/** Temperatures of the samples in reports. */
const temperatures = [0.5, 0.8, 1.1];

/** A section with what the model writes at several temperatures. */
export async function samples(
  model: Sequential,
  vocabulary: TextVocabulary,
  { prompt, length, seed }: { readonly prompt: string; readonly length: number; readonly seed: number },
) {
  const texts: GeneratedText[] = [];
  for (const temperature of temperatures) {
    let text = "";
    for await (const piece of generate({ model, vocabulary, prompt, length, seed, temperature }))
      text += piece;
    texts.push({ label: `Temperature ${temperature}`, prompt, text });
  }
  return generation({
    note: "Below 1 what is likely becomes likelier, above 1 everything becomes more alike.",
    texts,
  });
}

/** How many of what may come next an answer lists. */
const listed = 5;

/** −ln p of each id of a text after the first, and the likeliest ids that would come after it. */
export async function readText(model: Sequential, ids: Int32Array) {
  const session = await model.session();
  const { data, shape } = await session.step([[...ids]]);
  const size = shape.at(-1) ?? 1;
  const surprises = Array.from(ids.subarray(1), (id, t) => -Math.log(data[t * size + id] ?? Number.NaN));
  const last = data.subarray((ids.length - 1) * size);
  const next = Array.from(last, (probability, id) => ({ id, probability }))
    .sort((a, b) => b.probability - a.probability)
    .slice(0, listed);
  const [nats = null] =
    surprises.length === 0 ? [] : decimals([surprises.reduce((sum, s) => sum + s, 0) / surprises.length]);
  return {
    nats,
    next: next.map(({ id, probability }) => ({ id, probability: decimals([probability])[0] ?? Number.NaN })),
  };
}
