import { RondoError } from "../errors.js";
import { shapeText, sizeOf, Tensor } from "../tensor.js";

/** How well a model tells classes apart. N samples, C classes. */
export interface Classification {
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

/**
 * Compares predictions with the truth.
 *
 * @param truth [N, C] one-hot, or [N] class numbers
 * @param probabilities [N, C] the model's output
 * @param options `names`: of the classes, default their numbers; `images`: [N, height, width] from 0 to 1, shown with
 *   the mistakes; `mistakes`: how many to keep, default 40
 * @throws RondoError when the shapes do not fit each other
 */
export function classification(
  truth: Tensor,
  probabilities: Tensor,
  options: { readonly names?: readonly string[]; readonly images?: Tensor; readonly mistakes?: number } = {},
): Classification {
  const [N = 0, C = 0] = probabilities.shape;
  const fits = truth.shape[0] === N && (truth.rank === 1 || (truth.rank === 2 && truth.shape[1] === C));
  if (probabilities.rank !== 2 || !fits) {
    throw new RondoError({
      where: "classification report",
      received: `labels of shape ${shapeText(truth.shape)} and probabilities of shape ${shapeText(probabilities.shape)}`,
      expected: "labels [N] or [N, C] and probabilities [N, C]",
      fix: "Pass the labels and the model's output for the same samples",
    });
  }
  const confusion = Array.from({ length: C }, () => new Array<number>(C).fill(0));
  const mistakes: Mistake[] = [];
  for (let sample = 0; sample < N; sample++) {
    const row = probabilities.data.subarray(sample * C, (sample + 1) * C);
    const predicted = largest(row);
    const actual =
      truth.rank === 1
        ? (truth.data[sample] ?? 0)
        : largest(truth.data.subarray(sample * C, (sample + 1) * C));
    const counts = confusion[actual];
    if (counts === undefined) {
      throw new RondoError({
        where: "classification report",
        received: `the label ${actual} for sample ${sample}`,
        expected: `whole numbers from 0 to ${C - 1}`,
        fix: "Number the classes as the model's output does",
      });
    }
    counts[predicted] = (counts[predicted] ?? 0) + 1;
    if (predicted !== actual)
      mistakes.push({ sample, truth: actual, predicted, confidence: row[predicted] ?? 0 });
  }
  const worst = mistakes.sort((a, b) => b.confidence - a.confidence).slice(0, options.mistakes ?? 40);
  const { images } = options;
  return {
    names: options.names ?? confusion.map((_, i) => String(i)),
    confusion,
    mistakes:
      images === undefined
        ? worst
        : worst.map((mistake) => ({ ...mistake, image: picture(images, mistake.sample) })),
  };
}

/** The scores of every class. */
export function classScores({ names, confusion }: Classification): ClassScores[] {
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
