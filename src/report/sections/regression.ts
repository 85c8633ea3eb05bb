import { checkOptions, namesOf, RondoError } from "../../errors.js";
import { shapeText, type TensorLike, toTensor } from "../../tensor.js";
import { type Look, type Point, plot, tone } from "../chart.js";
import { type Html, html } from "../html.js";
import { figure } from "../words.js";

/** How well numbers are predicted: one number for each of N samples. */
export interface Regression {
  readonly kind: "regression";
  readonly title: string;
  /** What the N inputs are, in a word or two. */
  readonly input: string;
  /** N inputs, ascending, and the N true values in the same order. */
  readonly inputs: readonly number[];
  readonly truth: readonly number[];
  readonly fits: readonly Fit[];
}

/** The predictions of one model. */
export interface Fit {
  readonly name: string;
  /** N predictions, in the order of the inputs. */
  readonly values: readonly number[];
  readonly meanSquaredError: number;
  readonly meanAbsoluteError: number;
  /** Share of the variance that is explained: 1 where all is, 0 for the mean of the true values; NaN where they are equal. */
  readonly r2: number;
}

/** What `regression` can be told. */
export interface RegressionOptions {
  /** Default: `Fit`. */
  readonly title?: string;
  /** What the inputs are, for the axis; default: `x`. */
  readonly input?: string;
}

const where = "regression";
const optionNames = namesOf<RegressionOptions>({ title: true, input: true });

/**
 * Compares predictions with true values: a scatter of the samples with a line for each fit, and a table of their errors.
 *
 * @param inputs N numbers of any shape with N elements, what the samples are drawn over; of several features pass one, or
 *   the true values themselves
 * @param truth N numbers
 * @param fits N predictions by name of the model: `{ LSTM: await model.predict(x), "least squares": line }`
 * @throws RondoError when their numbers differ, or there are no samples
 */
export function regression(
  inputs: TensorLike,
  truth: TensorLike,
  fits: Readonly<Record<string, TensorLike>>,
  options: RegressionOptions = {},
): Regression {
  checkOptions(where, options, optionNames);
  checkOptions(where, fits, Object.keys(Object(fits)));
  const { title = "Fit", input = "x" } = options;
  const x = Array.from(toTensor(`${where}, inputs`, inputs).data);
  const order = x.map((_, i) => i).sort((a, b) => (x[a] ?? 0) - (x[b] ?? 0));
  const read = (name: string, values: TensorLike): number[] => {
    const { data, shape } = toTensor(`${where}, ${name}`, values);
    if (data.length === x.length && x.length > 0) return order.map((i) => data[i] ?? 0);
    throw new RondoError({
      where,
      received: `inputs of ${x.length} samples and ${name} of shape ${shapeText(shape)}`,
      expected: `${x.length === 0 ? "at least one sample" : "as many values"}, one for each sample`,
      fix: "Pass inputs, true values and predictions of the same samples",
    });
  };
  const ordered = read("truth", truth);
  return {
    kind: "regression",
    title,
    input,
    inputs: order.map((i) => x[i] ?? 0),
    truth: ordered,
    fits: Object.entries(fits).map(([name, values]) => fitOf(name, read(name, values), ordered)),
  };
}

function fitOf(name: string, values: readonly number[], truth: readonly number[]): Fit {
  const mean = meanOf(truth);
  const errors = values.map((value, i) => value - (truth[i] ?? 0));
  const meanSquaredError = meanOf(errors.map((error) => error * error));
  const variance = meanOf(truth.map((value) => (value - mean) ** 2));
  return {
    name,
    values,
    meanSquaredError,
    meanAbsoluteError: meanOf(errors.map(Math.abs)),
    r2: variance === 0 ? Number.NaN : 1 - meanSquaredError / variance,
  };
}

const meanOf = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

const samplesLook: Look = { colour: "var(--soft)", dashes: [], sign: "circle" };
/** More samples than this are drawn every so many. */
const mostDrawn = 1000;

export async function drawRegression({ title, input, inputs, truth, fits }: Regression): Promise<Html> {
  const every = Math.ceil(inputs.length / mostDrawn);
  const over = (values: readonly number[]): Point[] =>
    inputs.flatMap((x, i) => (i % every === 0 ? [{ x, y: values[i] ?? Number.NaN }] : []));
  const drawing = await plot({
    title: every === 1 ? "Samples and predictions" : `Samples and predictions, one of ${every}`,
    across: input,
    dots: [{ name: "samples", look: samplesLook, points: over(truth) }],
    lines: fits.map(({ name, values }, i) => ({ name, look: tone(i), points: over(values) })),
  });
  return html`<section>
<h2>${title}</h2>
<div class="columns">
${drawing}
<div class="card scroll"><table class="rows">
<thead><tr><th>predictions</th><th class="number">mean squared error</th><th class="number">mean absolute error</th><th class="number">R²</th></tr></thead>
<tbody>${fits.map(
    ({ name, meanSquaredError, meanAbsoluteError, r2 }) =>
      html`<tr><th scope="row">${name}</th><td class="number">${figure(meanSquaredError)}</td><td class="number">${figure(meanAbsoluteError)}</td><td class="number">${figure(r2)}</td></tr>`,
  )}</tbody>
</table></div>
</div>
</section>`;
}
