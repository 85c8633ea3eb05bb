// Entities in Chinese text: every character, and every pair of neighbours, has a vector that is learnt, LSTM layers read them
// both ways, a dense layer scores the tags of each character, and a conditional random field finds the best sequence of tags.
import { callbacks, type History } from "rondo";
import { charactersOf, Dataset, type TaggedSentence, TagScheme, tagFaults } from "rondo/data";
import { resumeNer, zhNer } from "rondo/datasets";
import { batched, defineRecipe, type Findings, option, type Run, type Settings } from "rondo/recipe";
import { entities, transitions } from "rondo/report";
import { CharacterReader } from "./bilstm-crf-characters.js";
import { joined, type NamedModel, taggerOf } from "./bilstm-crf-model.js";
import { linesOf } from "./numbers.js";
import { Random } from "./random.js";
import { holdThenCosine } from "./schedule.js";

/** Sentences that a model sees at once when it is tested. */
const together = 64;

const options = {
  dataSet: option.choice({
    description:
      "resume-ner: résumés, eight types of entities, parts as published; zh-ner: persons, places, organisations, split 80/10/10 by the seed",
    default: "resume-ner",
    of: ["resume-ner", "zh-ner"],
  }),
  embedSize: option.wholeNumber({ description: "numbers in the vector of a character", default: 100 }),
  bigramSize: option.wholeNumber({
    description: "numbers in the vector of a character with the next one; 0: none",
    default: 100,
    least: 0,
  }),
  units: option.wholeNumber({ description: "units of the LSTM layer, of each direction", default: 128 }),
  dropout: option.number({
    description: "share of the vectors and of the LSTM's outputs that is dropped in training",
    default: 0.5,
    least: 0,
    below: 1,
  }),
  average: option.number({
    description:
      "how much of the average of the weights stays in each step, with which the model is then used; 0: no average",
    default: 0,
    least: 0,
    below: 1,
  }),
  members: option.wholeNumber({
    description: "models that are trained from weights of their own and decide together",
    default: 1,
    most: 100,
  }),
};

export const recipe = defineRecipe({
  name: "bilstm-crf",
  title: "Entities in Chinese sentences through a bidirectional LSTM and a conditional random field",
  adds: "Pairs of neighbouring characters beside the characters, dropout of half of what is embedded and read, a learning rate that falls to zero, the weights of the epoch with the best F1 on the validation sentences.",
  goal: { figure: "testF1", bound: "at least", value: 0.93, where: { dataSet: "resume-ner" } },
  source: {
    title: `Huang, Xu and Yu, "Bidirectional LSTM-CRF models for sequence tagging", 2015`,
    address: "https://arxiv.org/abs/1508.01991",
    settings: { count: 20, batchSize: 32, learningRate: 0.001 },
    options: { bigramSize: 0, dropout: 0 },
    // It has other data.
    goal: [],
  },
  unit: "epoch",
  defaults: { count: 20, batchSize: 32, learningRate: 0.002 },
  options,
  prediction: {
    reads: "a text on each line",
    gives:
      "{ input, line, text, entities: [{ type, text, start, end }] } for each line; start and end count UTF-16 units",
  },

  async train(settings, run) {
    const { train, validation, test, tags } = await partsOf(settings, run.signal);
    const reader = CharacterReader.of(
      train.map(({ tokens }) => tokens),
      { bigrams: settings.options.bigramSize > 0 },
    );
    tell(run, { train, validation, test }, tags, reader);
    const { members: count, ...own } = settings.options;
    const taggers = Array.from({ length: count }, (_, member) => {
      const name = count === 1 ? "model" : `member-${member + 1}`;
      const seed = seedOf(settings.seed, member);
      const { learningRate } = settings;
      const each = { ...own, name, learningRate, seed, backend: run.backend };
      return { name, ...taggerOf(reader.vocabularies, tags, each) };
    });
    run.begin(Object.fromEntries(taggers.map(({ name, model }) => [name, model])));

    const samples = (sentences: readonly TaggedSentence[]) =>
      Dataset.fromIterable(sentences.map((one) => ({ x: reader.ids(one.tokens), y: tags.encode(one.tags) })));
    // Sentences of similar lengths come together, so that little of a batch is padding.
    const batches = (some: ReturnType<typeof samples>) =>
      some.bucketBySequenceLength(
        ({ x }) => x.characters?.length ?? 0,
        [9, 17, 25, 33, 41, 57, 81],
        settings.batchSize,
        {
          lengthMultiple: 8,
        },
      );
    const histories: Record<string, History> = {};
    for (const { name, model } of taggers) {
      if (count > 1) run.say(`${name}:`);
      const best = callbacks.earlyStopping({
        monitor: "val_entityF1",
        patience: settings.count,
        restoreBestWeights: true,
      });
      const rate = settings.asInSource ? [] : [callbacks.learningRateScheduler(holdThenCosine(settings))];
      const history = await run.fit(name, (kept) =>
        model.fit(batches(samples(train).shuffle(train.length)), {
          ...kept,
          epochs: settings.count,
          validationData: batches(samples(validation)),
          callbacks: [...kept.callbacks, best, ...rate],
        }),
      );
      const scores = history.history.val_entityF1 ?? [];
      if (scores.length > 0)
        run.say(
          `The weights of epoch ${best.bestEpoch + 1} are kept, whose validation F1 is the best: ${scores[best.bestEpoch]?.toFixed(4)}.`,
        );
      histories[name] = history;
    }

    // An interrupted run decides with the members that it has trained.
    const [first, ...others] = taggers.filter(({ name }) => (histories[name]?.epoch.length ?? 0) > 0);
    const alone = (first ?? taggers[0])?.model;
    if (alone === undefined) return;
    const model =
      first === undefined || others.length === 0
        ? alone
        : await joined([first, ...others], reader.vocabularies, tags, run.backend);
    const [history] = Object.values(histories);
    await run.finish({
      model,
      history: count === 1 && history !== undefined ? history : histories,
      preprocessing: { ...reader.toJSON(), tags: { ...tags.toJSON() } },
      test: () => measured(model, reader, tags, { validation, test }),
    });
  },

  async evaluate({ settings, model, preprocessing, signal }) {
    const parts = await partsOf(settings, signal);
    const tags = TagScheme.fromJSON(preprocessing.tags);
    return measured(model as NamedModel, CharacterReader.fromJSON(preprocessing), tags, parts);
  },

  async *predict({ model, preprocessing, signal }, inputs) {
    const reader = CharacterReader.fromJSON(preprocessing);
    const tags = TagScheme.fromJSON(preprocessing.tags);
    for await (const batch of batched(linesOf(inputs), together)) {
      const texts = batch.map(({ text }) => [...charactersOf(text)]);
      const found = await tagged(model as NamedModel, reader, texts, signal);
      for (const [i, { input, line, text }] of batch.entries()) {
        const own = tags.entitiesOf(texts[i] ?? [], found[i] ?? new Int32Array());
        yield { input: input.name, line, text, entities: own.map((entity) => ({ ...entity })) };
      }
    }
  },
});

/** The first member has the run's seed; the others have seeds that no neighbouring run has. */
const seedOf = (seed: number, member: number): number =>
  member === 0 ? seed : new Random(seed, member).whole(0, 2 ** 31 - 1);

interface Parts {
  readonly train: readonly TaggedSentence[];
  readonly validation: readonly TaggedSentence[];
  readonly test: readonly TaggedSentence[];
}

/** The published parts; of sentences without parts 80 % in an order that the seed gives, then 10 % and 10 %. */
async function partsOf(
  { data, seed, options: { dataSet } }: Settings<typeof options>,
  signal: AbortSignal,
): Promise<Parts & { readonly tags: TagScheme }> {
  if (dataSet === "resume-ner") return resumeNer({ data, signal });
  const { sentences, tags } = await zhNer({ data, signal });
  const mixed = new Random(seed).permutation(sentences.length).flatMap((i) => sentences[i] ?? []);
  const [first, second] = [0.8, 0.9].map((share) => Math.floor(share * mixed.length));
  return {
    train: mixed.slice(0, first),
    validation: mixed.slice(first, second),
    test: mixed.slice(second),
    tags,
  };
}

/** Says how much there is of everything, and where the data breaks its own rules. */
function tell(run: Run, parts: Parts, tags: TagScheme, reader: CharacterReader): void {
  const { train, validation, test } = parts;
  const sizes = Object.entries(reader.vocabularies).map(([name, { size }]) => `${size} ${name}`);
  run.say(
    `${train.length} sentences to train with, ${validation.length} to validate, ${test.length} to test; ${sizes.join(", ")}, ${tags.size} tags.`,
  );
  for (const [name, sentences] of Object.entries(parts)) {
    const {
      broken,
      starts,
      transitions: pairs,
      ends,
      kinds,
    } = tagFaults(
      tags,
      (sentences as readonly TaggedSentence[]).map((one) => one.tags),
    );
    const faults = starts + pairs + ends;
    const few = [...kinds].sort(([, a], [, b]) => b - a).slice(0, 3);
    run.say(
      faults === 0
        ? `The tags of ${name} break no rule.`
        : `The tags of ${name} break their rules ${faults} times in ${broken} sentences (${starts} first tags, ${pairs} transitions, ${ends} last tags): ${few.map(([kind, count]) => `${kind} ${count} ×`).join(", ")}.`,
    );
  }
}

/** The best tags of some texts, without padding. */
async function tagged(
  model: NamedModel,
  reader: CharacterReader,
  texts: readonly (readonly string[])[],
  signal?: AbortSignal,
): Promise<Int32Array[]> {
  const { data, shape } = await model.predictClasses(reader.together(texts), {
    batchSize: together,
    ...(signal === undefined ? {} : { signal }),
  });
  const T = shape[1] ?? 0;
  return texts.map(({ length }, i) => data.slice(i * T, i * T + length));
}

/** The tags of some sentences, those of similar lengths together. */
async function taggedAll(
  model: NamedModel,
  reader: CharacterReader,
  sentences: readonly TaggedSentence[],
): Promise<Int32Array[]> {
  const order = sentences.map((_, i) => i).sort((a, b) => lengthOf(sentences[a]) - lengthOf(sentences[b]));
  const found: Int32Array[] = [];
  for (let at = 0; at < order.length; at += together) {
    const some = order.slice(at, at + together);
    const tags = await tagged(
      model,
      reader,
      some.map((i) => sentences[i]?.tokens ?? []),
    );
    for (const [k, i] of some.entries()) found[i] = tags[k] ?? new Int32Array();
  }
  return found;
}

const lengthOf = (sentence: TaggedSentence | undefined): number => sentence?.tokens.length ?? 0;

/** How well a model finds the entities of sentences. */
async function measured(
  model: NamedModel,
  reader: CharacterReader,
  tags: TagScheme,
  { validation, test }: Pick<Parts, "validation" | "test">,
): Promise<Findings> {
  const compared = async (sentences: readonly TaggedSentence[]) =>
    entities(
      sentences.map((one) => tags.encode(one.tags)),
      await taggedAll(model, reader, sentences),
      { tags, tokens: sentences.map(({ tokens }) => tokens) },
    );
  const [held, result] = [await compared(validation), await compared(test)];
  const at = model.weightNames().findIndex((name) => name.endsWith("/transitions"));
  const scores = (await model.getWeights())[at];
  const { precision, recall, f1 } = result.total;
  return {
    figures: {
      testF1: f1,
      testPrecision: precision,
      testRecall: recall,
      testAccuracy: result.accuracy,
      validationF1: held.total.f1,
    },
    sections: [result, ...(scores === undefined ? [] : [transitions(scores, tags.tags)])],
  };
}
