import { checkList, checkOptions, namesOf, unknownName } from "../../errors.js";
import { looks, plot, type Series, tone } from "../chart.js";
import { type Histories, metricsOf, type NamedHistory, type RunHistory, readHistories } from "../history.js";
import { type Html, html } from "../html.js";
import { figure, heading, heldOut, metricOf, words } from "../words.js";

/** What was measured while training, as curves and as a table. */
export interface LearningCurves {
  readonly kind: "learningCurves";
  /** One training, whose name is empty, or several by name. */
  readonly histories: readonly NamedHistory[];
  /** Metrics whose curves have a logarithmic axis. */
  readonly logarithmic: readonly string[];
}

/** What `learningCurves` can be told. */
export interface LearningCurvesOptions {
  /** Metrics, for example `loss`, to be drawn so that equal factors are equal heights; only values above 0 are drawn. */
  readonly logarithmic?: readonly string[];
}

const where = "learningCurves";
const optionNames = namesOf<LearningCurvesOptions>({ logarithmic: true });

/**
 * The curves of a training: a plot for each metric, training and held-out samples in one. Of several trainings by name,
 * a plot for each figure with a line for each training.
 *
 * @throws RondoError for what is no history, and for a logarithmic axis of a metric that there is not
 */
export function learningCurves(histories: Histories, options: LearningCurvesOptions = {}): LearningCurves {
  checkOptions(where, options, optionNames);
  const { logarithmic = [] } = options;
  checkList(
    where,
    logarithmic,
    "a list of metrics",
    'Write for example logarithmic: ["loss"]',
    " for logarithmic",
  );
  const all = readHistories(where, histories);
  const metrics = metricsOf(all).map(metricOf);
  const unknown = logarithmic.find((metric) => metrics.length > 0 && !metrics.includes(metric));
  if (unknown !== undefined) throw unknownName(where, "metric", unknown, [...new Set(metrics)]);
  return { kind: "learningCurves", histories: all, logarithmic };
}

/** Nothing where nothing was measured. */
export async function drawLearningCurves({ histories, logarithmic }: LearningCurves): Promise<Html> {
  const [only] = histories;
  if (only === undefined || histories.every(({ positions }) => positions.length === 0)) return html``;
  const isAlone = histories.length === 1 && only.name === "";
  const across = only.unit;
  const plots = await Promise.all(
    (isAlone ? ofOne(only) : ofSeveral(histories)).map(({ metric, title, lines }) =>
      plot({ title, across, counts: true, lines, logarithmic: logarithmic.includes(metric) }),
    ),
  );
  return html`<section>
<h2>Learning curves</h2>
<div class="columns">${plots}</div>
<details class="card">
<summary>All figures</summary>
<div class="scroll">${figuresTable(histories, isAlone)}</div>
</details>
</section>`;
}

interface Curve {
  readonly metric: string;
  readonly title: string;
  readonly lines: readonly Series[];
}

function ofOne(history: RunHistory): Curve[] {
  const metrics = new Set(metricsOf([history]).map(metricOf));
  return [...metrics].map((metric) => ({
    metric,
    title: heading(metric),
    lines: [
      { name: "training", look: looks.training, points: pointsOf(history, metric) },
      ...Object.entries(heldOut).map(([prefix, name]) => ({
        name,
        look: looks[name],
        points: pointsOf(history, prefix + metric),
      })),
    ],
  }));
}

const ofSeveral = (histories: readonly NamedHistory[]): Curve[] =>
  metricsOf(histories).map((name) => ({
    metric: metricOf(name),
    title: heading(name),
    lines: histories.map((history, i) => ({
      name: history.name,
      look: tone(i),
      points: pointsOf(history, name),
    })),
  }));

const pointsOf = ({ positions, values }: RunHistory, name: string) =>
  values[name] === undefined ? [] : positions.map((x, i) => ({ x, y: values[name]?.[i] ?? Number.NaN }));

function figuresTable(histories: readonly NamedHistory[], isAlone: boolean): Html {
  const names = metricsOf(histories);
  const rows = histories.flatMap(({ name, positions, values }) =>
    positions.map((position, i) => {
      const cells = names.map((metric) => html`<td class="number">${cell(values[metric]?.[i])}</td>`);
      return html`<tr>${isAlone ? "" : html`<td>${name}</td>`}<td>${figure(position)}</td>${cells}</tr>`;
    }),
  );
  return html`<table class="rows">
<thead><tr>${isAlone ? "" : html`<th>run</th>`}<th>${histories[0]?.unit ?? ""}</th>${names.map((name) => html`<th class="number">${words(name)}</th>`)}</tr></thead>
<tbody>${rows}</tbody>
</table>`;
}

const cell = (value: number | null | undefined): string => (typeof value === "number" ? figure(value) : "");
