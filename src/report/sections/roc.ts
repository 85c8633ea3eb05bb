import { checkOptions, namesOf, RondoError, valueText } from "../../errors.js";
import { shapeText, type TensorLike, toTensor } from "../../tensor.js";
import { type Look, plot, tone } from "../chart.js";
import { type Html, html } from "../html.js";
import { figure, percent } from "../words.js";

/** How well a score tells two classes apart, whatever threshold it is cut at (Fawcett, 2006). */
export interface Roc {
  readonly kind: "roc";
  /** What the class is called whose samples have high scores. */
  readonly positive: string;
  /** Samples of this class, and of the other. */
  readonly positives: number;
  readonly negatives: number;
  /**
   * Corners of the curve, from the highest threshold to the lowest: samples with a score of at least the threshold are taken
   * for positive, among them these shares of the negatives and of the positives. The first is that of no sample.
   */
  readonly points: readonly RocPoint[];
  /** What the threshold 0.5 gives. */
  readonly half: RocPoint;
  /** The area below the curve: the chance that a positive has a higher score than a negative, ties counted half. */
  readonly area: number;
}

/** A point of the curve. */
export interface RocPoint {
  readonly threshold: number;
  readonly falsePositives: number;
  readonly truePositives: number;
}

/** What `roc` can be told. */
export interface RocOptions {
  /** What the positive class is called; default: `1`. */
  readonly positive?: string;
}

const where = "roc";
const optionNames = namesOf<RocOptions>({ positive: true });

/**
 * The receiver operating characteristic of scores for two classes.
 *
 * @param truth N class numbers, 0 and 1, of any shape with N elements
 * @param scores N numbers, high for class 1: the output [N, 1] of a sigmoid unit, say
 * @throws RondoError when their numbers differ, for other labels, for NaN, and where one class has no sample
 */
export function roc(truth: TensorLike, scores: TensorLike, options: RocOptions = {}): Roc {
  checkOptions(where, options, optionNames);
  const { positive = "1" } = options;
  const labels = toTensor(`${where}, truth`, truth);
  const values = toTensor(`${where}, scores`, scores);
  const refused = (received: string, expected: string, fix: string) =>
    new RondoError({ where, received, expected, fix });
  if (typeof positive !== "string")
    throw refused(`${valueText(positive)} for positive`, "text", "Give the class its name");
  if (labels.data.length !== values.data.length) {
    throw refused(
      `labels of shape ${shapeText(labels.shape)} and scores of shape ${shapeText(values.shape)}`,
      "a score for each label",
      "Pass the labels and the scores of the same samples, one number each",
    );
  }
  const label = labels.data.find((value) => value !== 0 && value !== 1);
  if (label !== undefined) throw refused(`the label ${label}`, "0 and 1", "Call the positive class 1");
  if (values.data.some(Number.isNaN))
    throw refused("NaN among the scores", "numbers", "Look why the model gives NaN");
  const positives = Array.from(labels.data).filter((value) => value === 1).length;
  const negatives = labels.data.length - positives;
  if (positives === 0 || negatives === 0)
    throw refused(
      `labels that are all ${positives === 0 ? 0 : 1}`,
      "samples of both",
      "Test on both classes",
    );

  const points = cornersOf(labels.data, values.data, positives, negatives);
  const area = points.reduce((sum, { falsePositives, truePositives }, i) => {
    const before = points[i - 1] ?? { falsePositives: 0, truePositives: 0 };
    const height = (truePositives + before.truePositives) / 2;
    return sum + (falsePositives - before.falsePositives) * height;
  }, 0);
  const half = points.findLast(({ threshold }) => threshold > 0.5) ?? none;
  return { kind: "roc", positive, positives, negatives, points, half: { ...half, threshold: 0.5 }, area };
}

/** What a threshold above all scores gives. */
const none: RocPoint = { threshold: Number.POSITIVE_INFINITY, falsePositives: 0, truePositives: 0 };

function cornersOf(
  labels: ArrayLike<number>,
  scores: ArrayLike<number>,
  positives: number,
  negatives: number,
): RocPoint[] {
  const order = Array.from(labels, (_, i) => i).sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0));
  const points: RocPoint[] = [none];
  let [right, wrong] = [0, 0];
  for (const [place, i] of order.entries()) {
    if (labels[i] === 1) right++;
    else wrong++;
    const next = order[place + 1];
    if (next !== undefined && scores[next] === scores[i]) continue;
    points.push({
      threshold: scores[i] ?? 0,
      falsePositives: wrong / negatives,
      truePositives: right / positives,
    });
  }
  return points;
}

const chanceLook: Look = { colour: "var(--soft)", dashes: [2, 3], sign: "circle" };
/** More corners than this are drawn every so many. */
const mostDrawn = 400;

export async function drawRoc({ positive, positives, negatives, points, half, area }: Roc): Promise<Html> {
  const every = Math.ceil(points.length / mostDrawn);
  const drawn = points.filter((_, i) => i % every === 0 || i === points.length - 1);
  const place = ({ falsePositives: x, truePositives: y }: RocPoint) => ({ x, y });
  const drawing = await plot({
    title: `Share of the samples of class ${positive} that are found`,
    across: "share of the others that are taken for it",
    range: [0, 1],
    lines: [
      { name: "the model", look: tone(0), points: drawn.map(place) },
      {
        name: "chance",
        look: chanceLook,
        points: [
          { x: 0, y: 0 },
          { x: 1, y: 1 },
        ],
      },
    ],
    dots: [{ name: "threshold 0.5", look: tone(3), points: [place(half)] }],
  });
  return html`<section>
<h2>ROC curve</h2>
<p class="soft">${figure(positives)} samples of class ${positive}, ${figure(negatives)} others. The area below the curve is ${figure(area)}: the chance that the model gives a sample of the class more than one of the others. Above 0.5 it finds ${percent(half.truePositives)} of the class, and takes ${percent(half.falsePositives)} of the others for it.</p>
<div class="columns">${drawing}</div>
</section>`;
}
