// Whether a message about a share was written by a bull or by a bear: a message is taken apart into words, each word has a
// vector that is learnt, LSTM layers read the vectors, and one unit says what they make of it.
//
// With --as-in-source the words, the model, the loss and the optimizer are the tutorial's, as is the filling up of messages with
// zeros, before their first word, to 244: there that is taken for the words of the longest message, which has 39. Words that are
// in no training message are unknown here (there they have vectors that nothing has trained), every epoch has an order of its
// own (there all have the same), and a batch does not begin with the states in which another one ended, as it does there.
import {
  type Backend,
  callbacks,
  type DeclaredTensor,
  functional,
  initializers,
  input,
  type Layer,
  layers,
  type Model,
  optimizers,
  Tensor,
} from "rondo";
import { Dataset } from "rondo/data";
import { stocktwits } from "rondo/datasets";
import { batched, decimals, defineRecipe, type Findings, option, type Settings } from "rondo/recipe";
import { classification, roc, table } from "rondo/report";
import { linesOf } from "./numbers.js";
import { Random } from "./random.js";
import { holdThenCosine } from "./schedule.js";
import { MessageReader, tokensOf } from "./sentiment-words.js";

const classes = ["bearish", "bullish"] as const;
/** Messages that a model sees at once when it is tested. */
const together = 512;

const options = {
  model: option.choice({
    description:
      "bilstm: bidirectional LSTM layers, the largest output of all words counts; lstm: LSTM layers, the output after the last word counts",
    default: "bilstm",
    of: ["bilstm", "lstm"],
  }),
  lstmSizes: option.wholeNumbers({
    description: "units of each LSTM layer, of each direction",
    default: [96],
  }),
  embedSize: option.wholeNumber({ description: "numbers in the vector of a word", default: 128 }),
  keep: option.number({
    description:
      "share of the numbers that dropout keeps in training, of the layers' outputs; with bilstm of the words' vectors, too",
    default: 0.4,
    above: 0,
    most: 1,
  }),
  pairSize: option.wholeNumber({
    description:
      "numbers in the vector of a pair of neighbouring words, which stand beside those of its first word; 0: none",
    default: 32,
    least: 0,
  }),
  tokens: option.choice({
    description:
      "words: all of a message, with cashtags, users, numbers and signs; entities: one word for each kind of those, no signs",
    default: "words",
    of: ["words", "entities"],
  }),
  minCount: option.wholeNumber({
    description:
      "how often a word, or a pair, must come in the training messages to have a vector of its own",
    default: 2,
  }),
  steps: option.wholeNumber({ description: "words of a message, whose rest is cut off", default: 64 }),
  padding: option.choice({
    description:
      "what fills messages up, before their first word, is left out (masked) or read like words (unmasked)",
    default: "masked",
    of: ["masked", "unmasked"],
  }),
  optimizer: option.choice({ description: "what trains", default: "adam", of: ["adam", "adadelta"] }),
  loss: option.choice({
    description: "what is minimised",
    default: "binaryCrossentropy",
    of: ["binaryCrossentropy", "meanSquaredError"],
  }),
};

export const recipe = defineRecipe({
  name: "sentiment",
  title: "StockTwits messages, bearish or bullish, through an embedding and LSTM layers",
  adds: "All words and signs of a message and pairs of neighbours, both reading directions and the largest output of all words; cross-entropy and Adam, whose learning rate from the middle on follows half a cosine down to zero.",
  goal: { figure: "testAccuracy", bound: "at least", value: 0.78 },
  source: {
    title: `Garrett Hoffman's tutorial "Introduction to LSTMs with TensorFlow"`,
    address: "https://github.com/GarrettHoffman/lstm-oreilly",
    settings: { count: 50, batchSize: 256, learningRate: 0.1 },
    options: {
      model: "lstm",
      lstmSizes: [128, 64],
      embedSize: 300,
      keep: 0.5,
      pairSize: 0,
      tokens: "entities",
      minCount: 1,
      steps: 244,
      padding: "unmasked",
      optimizer: "adadelta",
      loss: "meanSquaredError",
    },
    goal: { figure: "testAccuracy", bound: "at least", value: 0.717 },
  },
  unit: "epoch",
  defaults: { count: 3, batchSize: 128, learningRate: 0.001 },
  options,
  prediction: {
    reads: "a message on each line",
    gives: "{ input, line, text, label, probability } for each message; probability is the label's",
  },

  async train(settings, run) {
    const { train, validation, test } = split(
      await stocktwits({ data: settings.data, signal: run.signal }),
      settings,
    );
    const reader = MessageReader.of(
      train.map(({ tokens }) => tokens),
      settings.options,
    );
    run.say(
      `${train.length} messages to train with, ${validation.length} to validate, ${test.length} to test; ` +
        `${Object.entries(reader.vocabularies)
          .map(([name, { size }]) => `${size} ${name}`)
          .join(", ")}.`,
    );

    const model = build(settings, reader, run.backend);
    run.begin(model);

    const samples = (messages: readonly Message[]) =>
      Dataset.fromIterable(messages.map(({ tokens, label }) => ({ x: reader.ids(tokens), y: label })));
    // Messages of similar lengths come together, so that little of a batch is padding.
    const batches = (some: ReturnType<typeof samples>, dropRemainder = false) =>
      some.bucketBySequenceLength(({ x }) => x.words?.length ?? 0, [9, 17, 25, 33], settings.batchSize, {
        lengthMultiple: settings.options.padding === "masked" ? 8 : 1,
        dropRemainder,
      });
    const best = callbacks.earlyStopping({
      monitor: "val_accuracy",
      patience: settings.count,
      restoreBestWeights: true,
    });
    // As in the tutorial, what is left at the end of an epoch is left out: a step of Adadelta on a few messages is as long as one
    // on a whole batch, and goes anywhere.
    const some = batches(samples(train).shuffle(train.length), settings.asInSource);
    const rate = settings.asInSource ? [] : [callbacks.learningRateScheduler(holdThenCosine(settings))];
    const history = await run.fit("model", (kept) =>
      model.fit(some, {
        ...kept,
        epochs: settings.count,
        validationData: batches(samples(validation)),
        callbacks: [...kept.callbacks, best, ...rate],
      }),
    );
    const accuracies = history.history.val_accuracy ?? [];
    if (accuracies.length > 0)
      run.say(
        `The weights of epoch ${best.bestEpoch + 1} are kept, whose validation accuracy is the best: ${accuracies[best.bestEpoch]?.toFixed(4)}.`,
      );

    await run.finish({
      model,
      history,
      preprocessing: reader.toJSON(),
      test: () => measured(model, reader, { train, test }),
    });
  },

  async evaluate({ settings, model, preprocessing, signal }) {
    const parts = split(await stocktwits({ data: settings.data, signal }), settings);
    return measured(model as NamedModel, MessageReader.fromJSON(preprocessing, settings.options), parts);
  },

  async *predict({ settings, model, preprocessing, signal }, inputs) {
    const reader = MessageReader.fromJSON(preprocessing, settings.options);
    for await (const batch of batched(linesOf(inputs), together)) {
      const x = reader.together(batch.map(({ text }) => tokensOf(text, settings.options.tokens)));
      const { data } = await (model as NamedModel).predict(x, { signal });
      for (const [i, { input, line, text }] of batch.entries()) {
        const bullish = data[i] ?? Number.NaN;
        const label = bullish > 0.5 ? 1 : 0;
        const [probability = Number.NaN] = decimals([label === 1 ? bullish : 1 - bullish]);
        yield { input: input.name, line, text, label: classes[label], probability };
      }
    }
  },
});

/** Its inputs have the names of the reader's vocabularies. */
type NamedModel = Model<string>;

interface Message {
  readonly text: string;
  readonly tokens: readonly string[];
  /** 0 bearish, 1 bullish. */
  readonly label: number;
}

interface Parts {
  readonly train: readonly Message[];
  readonly validation: readonly Message[];
  readonly test: readonly Message[];
}

/** The messages in an order that the seed gives: the first 80 % to train with, then 10 % to validate, 10 % to test. */
function split(
  { texts, y }: Awaited<ReturnType<typeof stocktwits>>,
  { seed, options: { tokens } }: Settings<typeof options>,
): Parts {
  const messages = new Random(seed).permutation(texts.length).map((i): Message => {
    const text = texts[i] ?? "";
    return { text, tokens: tokensOf(text, tokens), label: y.data[i] ?? 0 };
  });
  const first = Math.floor(0.8 * messages.length);
  const second = first + Math.floor((messages.length - first) / 2);
  return {
    train: messages.slice(0, first),
    validation: messages.slice(first, second),
    test: messages.slice(second),
  };
}

function build(
  { seed, learningRate, options: own }: Settings<typeof options>,
  { vocabularies }: MessageReader,
  backend: Backend,
) {
  const { lstmSizes } = own;
  const dropout = () => layers.dropout({ rate: 1 - own.keep });
  const inputs: Record<string, DeclaredTensor> = {};
  const vectors = Object.entries(vocabularies).map(([name, { size }]): DeclaredTensor => {
    const ids = input({ shape: [null], dtype: "int32", name });
    inputs[name] = ids;
    const table = layers.embedding({
      name: `${name}_embedding`,
      inputDim: size,
      outputDim: name === "pairs" ? own.pairSize : own.embedSize,
      maskZero: own.padding === "masked",
      // The tutorial's vectors begin far from zero.
      embeddingsInitializer:
        own.model === "lstm" ? initializers.randomUniform({ minval: -1, maxval: 1 }) : "randomUniform",
      // Rows that a batch does not name stay as they are, which costs less than Adam's usual steps.
      lazy: own.optimizer === "adam",
    });
    return table.apply(ids);
  });
  const read = vectors.reduce((before, own) => layers.concatenate().apply([before, own]));
  const above: readonly Layer[] =
    own.model === "lstm"
      ? lstmSizes.flatMap((units, i) => [
          layers.lstm({ units, returnSequences: i < lstmSizes.length - 1 }),
          dropout(),
        ])
      : [
          ...lstmSizes.flatMap((units) => [
            dropout(),
            layers.bidirectional({ layer: layers.lstm({ units, returnSequences: true }) }),
          ]),
          layers.globalMaxPooling1d(),
          dropout(),
        ];
  const summary = above.reduce((value, layer) => layer.apply(value), read);
  const model = functional({
    inputs,
    outputs: layers.dense({ units: 1, activation: "sigmoid" }).apply(summary),
    seed,
    backend,
  });
  model.compile({
    optimizer:
      own.optimizer === "adam"
        ? optimizers.adam({ learningRate })
        : optimizers.adadelta({ learningRate, rho: 0.95, epsilon: 1e-8 }),
    loss: own.loss,
    metrics: ["accuracy"],
  });
  return model;
}

/** How well a model tells the test messages apart, also those alone that are in no training message word by word. */
async function measured(
  model: NamedModel,
  reader: MessageReader,
  { train, test }: Pick<Parts, "train" | "test">,
): Promise<Findings> {
  const x = reader.together(test.map(({ tokens }) => tokens));
  const y = new Tensor(
    Float32Array.from(test, ({ label }) => label),
    [test.length, 1],
    "float32",
  );
  const probabilities = await model.predict(x, { batchSize: together });
  const [testLoss = Number.NaN, testAccuracy = Number.NaN] = await model.evaluate(x, y, {
    batchSize: together,
    verbose: 0,
  });
  const seen = new Set(train.map(({ tokens }) => tokens.join(" ")));
  const isNew = test.map(({ tokens }) => !seen.has(tokens.join(" ")));
  const isRight = test.map(({ label }, i) => ((probabilities.data[i] ?? 0) > 0.5 ? 1 : 0) === label);
  const compared = classification(y, probabilities, { names: classes, mistakes: 25 });
  const curve = roc(y, probabilities, { positive: classes[1] });
  const name = (label: number) => classes[label] ?? "";
  return {
    figures: {
      testAccuracy,
      newMessagesAccuracy: share(isRight.filter((_, i) => isNew[i])),
      newMessages: share(isNew),
      testLoss,
      rocArea: curve.area,
    },
    sections: [
      compared,
      curve,
      table({
        title: "Worst mistakes",
        note: `The test messages that the model got wrong with the most confidence. ${isNew.filter((one) => !one).length.toLocaleString("en")} of ${test.length.toLocaleString("en")} test messages are among the training messages word by word; the accuracy on new messages leaves them out.`,
        columns: ["message", "written as", "taken for", "with the probability"],
        rows: compared.mistakes.map(({ sample, truth, predicted, confidence }) => [
          test[sample]?.text ?? "",
          name(truth),
          name(predicted),
          confidence,
        ]),
      }),
    ],
  };
}

const share = (all: readonly boolean[]): number => all.filter((one) => one).length / all.length;
