// A language model of characters: it reads plays by Shakespeare, learns which character comes next, and then writes some.
//
// The text is cut into as many pieces as a batch has rows, which are read side by side in order: the states in which a batch ends are
// those in which the next one begins, so that the model looks back further than the steps through which gradients flow. The first
// nine tenths of the text are for training, the last tenth validates.
import { generate, type Sequential } from "rondo";
import { CharacterVocabulary } from "rondo/data";
import { tinyShakespeare } from "rondo/datasets";
import { defineRecipe, option, type Settings } from "rondo/recipe";
import { batchesOf, languageModel, lossOn, readText, samples, trainOnText } from "./language.js";
import { linesOf } from "./numbers.js";

const options = {
  lstmSizes: option.wholeNumbers({ description: "units of each LSTM layer", default: [256, 256] }),
  embedSize: option.wholeNumber({ description: "numbers in the vector of a character", default: 64 }),
  keep: option.number({
    description: "share of the LSTM layers' outputs that dropout keeps in training",
    default: 0.75,
    above: 0,
    most: 1,
  }),
  steps: option.wholeNumber({
    description: "characters of a training step in each row, through which gradients flow",
    default: 128,
  }),
};

export const recipe = defineRecipe({
  name: "char-lm",
  title: "Shakespeare, character by character, through LSTM layers that carry their states on",
  adds: "Twice as wide layers, dropout, and Adam, whose learning rate rises for 200 steps and then follows half a cosine down to zero; a tenth of the text for validation.",
  goal: { figure: "validationLoss", bound: "at most", value: 1.52 },
  source: {
    title: `Andrej Karpathy's char-rnn ("The Unreasonable Effectiveness of Recurrent Neural Networks")`,
    address: "https://github.com/karpathy/char-rnn",
    settings: { count: 50, batchSize: 50, learningRate: 0.002 },
    options: { lstmSizes: [128, 128], embedSize: 65, keep: 1, steps: 50 },
    // It states no figure for this text.
    goal: [],
  },
  unit: "epoch",
  defaults: { count: 12, batchSize: 32, learningRate: 0.003 },
  options,
  prediction: {
    reads: "a text on each line",
    gives:
      "{ input, line, text, nats, next } for each text; nats is the mean of -ln p of its characters after the first, next lists the likeliest characters after it with their probabilities",
  },

  async train(settings, run) {
    const text = await tinyShakespeare({ data: settings.data, signal: run.signal });
    const vocabulary = CharacterVocabulary.fromTexts([text]);
    const parts = split(vocabulary.encode(text));
    const { batches } = batchesOf(parts.train, settings);
    const model = languageModel(settings, settings.options, vocabulary.size, batches, run.backend);
    run.say(
      `${parts.train.length.toLocaleString("en")} characters to train with, ${parts.validation.length.toLocaleString("en")} to validate, ${vocabulary.size} different ones.`,
    );
    run.begin(model);
    const history = await trainOnText(model, settings, parts, run);
    await run.finish({
      model,
      history,
      preprocessing: { vocabulary: vocabulary.toJSON() },
      test: () => measured(model, vocabulary, parts.validation, settings),
    });
  },

  async evaluate({ settings, model, preprocessing, signal }) {
    const vocabulary = CharacterVocabulary.fromJSON(preprocessing.vocabulary);
    const text = await tinyShakespeare({ data: settings.data, signal });
    const { validation } = split(vocabulary.encode(text));
    return measured(model as unknown as Sequential, vocabulary, validation, settings);
  },

  async *predict({ model, preprocessing }, inputs) {
    const vocabulary = CharacterVocabulary.fromJSON(preprocessing.vocabulary);
    for await (const { input, line, text } of linesOf(inputs)) {
      const { nats, next } = await readText(model as unknown as Sequential, vocabulary.encode(text));
      const likely = next.map(({ id, probability }) => ({ character: vocabulary.decode([id]), probability }));
      yield { input: input.name, line, text, nats, next: likely };
    }
  },

  generate({ model, preprocessing }, wishes) {
    const vocabulary = CharacterVocabulary.fromJSON(preprocessing.vocabulary);
    return generate({ ...wishes, model, vocabulary });
  },
});

/** The first nine tenths and the last tenth. */
function split(ids: Int32Array) {
  const cut = Math.floor(0.9 * ids.length);
  return { train: ids.subarray(0, cut), validation: ids.subarray(cut) };
}

async function measured(
  model: Sequential,
  vocabulary: CharacterVocabulary,
  validation: Int32Array,
  settings: Settings<typeof options>,
) {
  const loss = await lossOn(model, validation, settings);
  return {
    figures: {
      validationLoss: loss,
      bitsPerCharacter: loss / Math.LN2,
      perplexity: Math.exp(loss),
      characters: vocabulary.size,
    },
    sections: [await samples(model, vocabulary, { prompt: "\n", length: 400, seed: settings.seed })],
  };
}
