// The models of the recipe `bilstm-crf`: one tagger, or several that decide together.
import {
  type Backend,
  type DeclaredTensor,
  functional,
  initializers,
  input,
  layers,
  type Model,
  optimizers,
  Tensor,
} from "rondo";
import type { TagScheme, Vocabulary } from "rondo/data";

/** What a tagger is made of. */
export interface TaggerOptions {
  /** What the part that scores is called where several are joined. */
  readonly name: string;
  /** Numbers in the vector of a character, and of a pair. */
  readonly embedSize: number;
  readonly bigramSize: number;
  readonly units: number;
  /** Share that is dropped of the vectors, and of the LSTM's outputs. */
  readonly dropout: number;
  /** How much of the average of the weights stays in each step; 0: no average. */
  readonly average: number;
  readonly learningRate: number;
  readonly seed: number;
  readonly backend: Backend;
}

/** Its inputs have the names of the reader's vocabularies. */
export type NamedModel = Model<string>;

/** What is read, by the names of the inputs. */
type Vocabularies = Readonly<Record<string, Vocabulary>>;
type Ids = Readonly<Record<string, DeclaredTensor>>;

/** A tagger that can be trained, and the part of it that scores the tags of each character. */
export interface Tagger {
  /** From ids to the best tags. */
  readonly model: NamedModel;
  /** From ids to scores [B, T, tags], over the same layers. */
  readonly scores: ReturnType<typeof scoring>;
}

const scoring = (inputs: Ids, outputs: DeclaredTensor, name: string, backend: Backend) =>
  functional({ inputs, outputs, name, backend });

const idsOf = (vocabularies: Vocabularies): Ids =>
  Object.fromEntries(
    Object.keys(vocabularies).map((name) => [name, input({ shape: [null], dtype: "int32", name })]),
  );

/** Vectors of what is read → dropout → LSTM, both ways → dropout → scores → conditional random field. */
export function taggerOf(vocabularies: Vocabularies, tags: TagScheme, own: TaggerOptions): Tagger {
  const { seed, backend, learningRate, average } = own;
  const inputs = idsOf(vocabularies);
  const vectors = Object.entries(inputs).map(([name, ids]): DeclaredTensor => {
    const outputDim = name === "bigrams" ? own.bigramSize : own.embedSize;
    const most = Math.sqrt(3 / outputDim);
    const table = layers.embedding({
      name: `${name}_embedding`,
      inputDim: vocabularies[name]?.size ?? 0,
      outputDim,
      maskZero: true,
      embeddingsInitializer: initializers.randomUniform({ minval: -most, maxval: most }),
      // Rows that a batch does not name stay as they are, which costs less than Adam's usual steps.
      lazy: average === 0,
    });
    return table.apply(ids);
  });
  const read = vectors.reduce((before, one) => layers.concatenate().apply([before, one]));
  const above = [
    layers.dropout({ rate: own.dropout }),
    layers.bidirectional({ layer: layers.lstm({ units: own.units, returnSequences: true }) }),
    layers.dropout({ rate: own.dropout }),
    layers.dense({ units: tags.size }),
  ];
  const scored = above.reduce((value: DeclaredTensor, layer) => layer.apply(value), read);
  const outputs: DeclaredTensor = layers.crf({ tags, name: "crf" }).apply(scored);
  const model = functional({ inputs, outputs, seed, backend });
  model.compile({
    optimizer: optimizers.adam({
      learningRate,
      globalClipNorm: 5,
      ...(average > 0 ? { useEma: true, emaMomentum: average } : {}),
    }),
    loss: "crf",
    metrics: ["accuracy", "entityF1"],
  });
  return { model, scores: scoring(inputs, scored, own.name, backend) };
}

/**
 * One model of several: the mean of their scores goes through a conditional random field with the means of their transitions.
 * A sequence then has the geometric mean of the probabilities that they give it, but for a factor that is the same for all
 * sequences. It shares the members' layers.
 */
export async function joined(
  members: readonly Tagger[],
  vocabularies: Vocabularies,
  tags: TagScheme,
  backend: Backend,
): Promise<NamedModel> {
  const inputs = idsOf(vocabularies);
  const scores = members.map((one): DeclaredTensor => one.scores.apply(inputs));
  const mean: DeclaredTensor = layers.average().apply(scores);
  const model = functional({
    inputs,
    outputs: layers.crf({ tags, name: "crf" }).apply(mean),
    backend,
  });
  const fields = await Promise.all(members.map((one) => fieldOf(one.model)));
  const names = model.weightNames();
  const weights = (await model.getWeights()).map((weight, i) => {
    const all = fields.flatMap((field) => field.get(names[i] ?? "") ?? []);
    return all.length === 0 ? weight : meanOf(all, weight.shape);
  });
  await model.setWeights(weights);
  return model;
}

const meanOf = (all: readonly Tensor[], shape: readonly number[]): Tensor =>
  new Tensor(
    Float32Array.from(
      all[0]?.data ?? [],
      (_, k) => all.reduce((sum, { data }) => sum + (data[k] ?? Number.NaN), 0) / all.length,
    ),
    shape,
    "float32",
  );

/** The weights of a model's conditional random field: `crf/transitions` and the like. */
async function fieldOf(model: NamedModel): Promise<ReadonlyMap<string, Tensor>> {
  const names = model.weightNames();
  const all = (await model.getWeights()).map((weight, i) => [names[i] ?? "", weight] as const);
  return new Map(all.filter(([name]) => name.startsWith("crf/")));
}
