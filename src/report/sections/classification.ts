import { checkCount, checkList, checkOptions, namesOf, RondoError } from "../../errors.js";
import { shapeText, sizeOf, Tensor, type TensorLike, toTensor } from "../../tensor.js";

/** How well a model tells classes apart. N samples, C classes. */
export interface Classification {
  readonly kind: "classification";
  /** C names, in the order of the classes. */
  readonly names: readonly string[];
  /** [C][C] numbers of samples: row = true class, column = predicted class. */
  readonly confusion: readonly (readonly number[])[];
  /** Wrong predictions, the most confident first. */
  readonly mistakes: readonly Mistake[];
}

/** A sample that was given to the wrong class. */
export interface Mistake {
  /** Its position among the samples. */
  readonly sample: number;
  readonly truth: number;
  readonly predicted: number;
  /** The probability given to the class that was predicted. */
  readonly confidence: number;
  /** float32 [height, width] from 0 to 1, where the samples are pictures. */
  readonly image?: Tensor;
}

/** How well one class is told from the others. Scores are from 0 to 1; 0 where they would be 0 / 0. */
export interface ClassScores {
  readonly name: string;
  /** Share of the predictions of this class that are right. */
  readonly precision: number;
  /** Share of the samples of this class that are found. */
  readonly recall: number;
  /** Harmonic mean of the two. */
  readonly f1: number;
  /** Number of samples of this class. */
  readonly support: number;
}

/** What `classification` can be told. */
export interface ClassificationOptions {
  /** C names, in the order of the classes; default: their numbers. */
  readonly names?: readonly string[];
  /** [N, height, width] from 0 to 1, shown with the mistakes. */
  readonly images?: TensorLike;
  /** How many mistakes to keep; default 40. */
  readonly mistakes?: number;
}

const where = "classification";
const optionNames = namesOf<ClassificationOptions>({ names: true, images: true, mistakes: true });

/**
 * Compares predictions with the truth.
 *
 * @param truth [N] or [N, 1] class numbers, or [N, C] one-hot
 * @param probabilities the model's output: [N, C], or [N, 1] of a single sigmoid unit, whose classes are 0 and, above
 *   0.5, 1
 * @throws RondoError when shapes or options do not fit, and for labels that are no class
 */
export function classification(
  truth: TensorLike,
  probabilities: TensorLike,
  options: ClassificationOptions = {},
): Classification {
  checkOptions(where, options, optionNames);
  const labels = toTensor(`${where}, truth`, truth);
  const output = toTensor(`${where}, probabilities`, probabilities);
  const [N = 0, width = 0] = output.shape;
  const C = width === 1 ? 2 : width;
  const isNumbers = labels.rank === 1 || (labels.rank === 2 && labels.shape[1] === 1);
  const isOneHot = !isNumbers && labels.rank === 2 && labels.shape[1] === C;
  if (output.rank !== 2 || width === 0 || labels.shape[0] !== N || !(isNumbers || isOneHot)) {
    throw new RondoError({
      where,
      received: `labels of shape ${shapeText(labels.shape)} and probabilities of shape ${shapeText(output.shape)}`,
      expected: "labels [N] or [N, C] and probabilities [N, C], or [N, 1] for two classes",
      fix: "Pass the labels and the model's output for the same samples",
    });
  }
  const { names, images, count } = readOptions(options, N, C);
  const confusion = Array.from({ length: C }, () => new Array<number>(C).fill(0));
  const mistakes: Mistake[] = [];
  for (let sample = 0; sample < N; sample++) {
    const row = output.data.subarray(sample * width, (sample + 1) * width);
    const shares = width === 1 ? [1 - (row[0] ?? 0), row[0] ?? 0] : row;
    const predicted = largest(shares);
    const actual = isOneHot
      ? largest(labels.data.subarray(sample * C, (sample + 1) * C))
      : (labels.data[sample] ?? 0);
    const counts = confusion[actual];
    if (counts === undefined) {
      throw new RondoError({
        where,
        received: `the label ${actual} for sample ${sample}`,
        expected: `whole numbers from 0 to ${C - 1}, because the model's output ${width === 1 ? "[N, 1] has the classes 0 and 1" : `has ${C} classes`}`,
        fix: "Number the classes as the model's output does",
      });
    }
    counts[predicted] = (counts[predicted] ?? 0) + 1;
    if (predicted !== actual)
      mistakes.push({ sample, truth: actual, predicted, confidence: shares[predicted] ?? 0 });
  }
  const worst = mistakes.sort((a, b) => b.confidence - a.confidence).slice(0, count);
  return {
    kind: "classification",
    names,
    confusion,
    mistakes:
      images === undefined
        ? worst
        : worst.map((mistake) => ({ ...mistake, image: picture(images, mistake.sample) })),
  };
}

/** The options with their defaults, for N samples of C classes. */
function readOptions(options: ClassificationOptions, N: number, C: number) {
  const { names = Array.from({ length: C }, (_, i) => String(i)), mistakes = 40 } = options;
  const fix = "Give every class its name, in the order of the model's output";
  checkList(where, names, "a list of names", fix, " for names");
  if (names.length !== C) {
    throw new RondoError({
      where,
      received: `a list of length ${names.length} for names`,
      expected: `length ${C}, one name for each class`,
      fix,
    });
  }
  checkCount(where, "mistakes", mistakes, 0);
  if (options.images === undefined) return { names, images: undefined, count: mistakes };
  const images = toTensor(`${where}, images`, options.images);
  if (images.rank !== 3 || images.shape[0] !== N) {
    throw new RondoError({
      where,
      received: `images of shape ${shapeText(images.shape)}`,
      expected: `[${N}, height, width], a picture for each sample`,
      fix: "Reshape them, or leave images out where the samples are no pictures",
    });
  }
  return { names, images, count: mistakes };
}

/** The scores of every class. */
export function classScores({
  names,
  confusion,
}: Pick<Classification, "names" | "confusion">): ClassScores[] {
  return confusion.map((row, i) => {
    const hits = row[i] ?? 0;
    const support = row.reduce((sum, count) => sum + count, 0);
    const predicted = confusion.reduce((sum, other) => sum + (other[i] ?? 0), 0);
    return {
      name: names[i] ?? String(i),
      precision: ratio(hits, predicted),
      recall: ratio(hits, support),
      f1: ratio(2 * hits, predicted + support),
      support,
    };
  });
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

/** The position of the largest value; the first one of equals. */
function largest(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if ((values[i] ?? 0) > (values[best] ?? 0)) best = i;
  return best;
}

/** A copy of one picture, so that the report does not hold the whole set. */
function picture(images: Tensor, sample: number): Tensor {
  const shape = images.shape.slice(1);
  const size = sizeOf(shape);
  return new Tensor(
    Float32Array.from(images.data.subarray(sample * size, (sample + 1) * size)),
    shape,
    "float32",
  );
}
