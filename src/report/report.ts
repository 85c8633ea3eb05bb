import { checkOptions, RondoError, valueText } from "../errors.js";
import { figure, lineChart, type Series } from "./chart.js";
import { type Classification, classScores } from "./classification.js";
import { type AnyHistory, type RunHistory, readHistory } from "./history.js";
import { Html, html } from "./html.js";
import { pngDataUri } from "./png.js";
import { style } from "./style.js";

/** Everything a report shows: plain data. Parts that are left out are left out of the page. */
export interface RunReport {
  readonly title: string;
  /** One or two sentences below the title. */
  readonly description?: string;
  /** When the run ended. */
  readonly date: Date;
  /** The figures that count, first the one that matters most. */
  readonly headline: readonly { readonly label: string; readonly value: string; readonly note?: string }[];
  /** What `fit` returns, or a history of one's own. */
  readonly history: AnyHistory;
  /** On the test samples. */
  readonly classification?: Classification;
  /** The text of `model.summary()`. */
  readonly summary?: string;
  /** What was configured. Names are written as words, `learningRate` as "Learning rate"; null is left out, an https address is a link. */
  readonly configuration: object;
  /** Versions, backend, threads, machine … */
  readonly environment: object;
}

const isObject = (value: unknown) => typeof value === "object" && value !== null;
const isText = (value: unknown) => typeof value === "string";

/** What each part must be, in words and as a test; `?` where it may be left out. */
const parts: Readonly<
  Record<keyof RunReport, readonly [expected: string, fits: (value: unknown) => boolean, "?"?]>
> = {
  title: ["text", isText],
  description: ["text", isText, "?"],
  date: ["a valid Date", (value) => value instanceof Date && !Number.isNaN(value.getTime())],
  headline: ["a list of { label, value }", (value) => Array.isArray(value) && value.every(isObject)],
  history: ["what fit returns, or { unit, positions, values }", isObject],
  classification: ["what classification returns", isObject, "?"],
  summary: ["text", isText, "?"],
  configuration: ["an object", isObject],
  environment: ["an object", isObject],
};

function checkReport(report: RunReport): void {
  checkOptions("renderReport", report, Object.keys(parts));
  const given: Partial<Record<string, unknown>> = { ...report };
  for (const [name, [expected, fits, optional]] of Object.entries(parts)) {
    const value = given[name];
    if (fits(value) || (value === undefined && optional)) continue;
    throw new RondoError({
      where: "renderReport",
      received: `${valueText(value)} for ${name}`,
      expected,
      fix: `Give the report its ${name}`,
    });
  }
}

/**
 * The report as one HTML page that loads nothing else.
 *
 * @throws RondoError when a part is missing, unknown or of another kind
 */
export async function renderReport(report: RunReport): Promise<string> {
  checkReport(report);
  const { title, description, date, headline, summary } = report;
  const history = readHistory("renderReport", report.history);
  const page = html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}: training report</title>
<style>${new Html(style)}</style>
</head>
<body>
<header>
<h1>${title}</h1>
${description === undefined ? "" : html`<p class="soft">${description}</p>`}
</header>
<dl class="headline">${headline.map(
    ({ label, value, note }) =>
      html`<div><dt>${label}</dt><dd>${value}</dd>${note === undefined ? "" : html`<dd class="note">${note}</dd>`}</div>`,
  )}</dl>
${history.positions.length === 0 ? "" : curves(history)}
${report.classification === undefined ? "" : await classes(report.classification)}
${summary === undefined ? "" : html`<h2>Model</h2><div class="card scroll"><pre>${summary}</pre></div>`}
<div class="columns">
<section><h2>Configuration</h2>${settings(report.configuration)}</section>
<section><h2>Environment</h2>${settings(report.environment)}</section>
</div>
<footer>Written by Rondo, ${date.toISOString().replace("T", " ").slice(0, 16)} UTC</footer>
</body>
</html>
`;
  return page.text;
}

/** What the names of figures begin with that were measured on other samples than those of the training. */
const heldOut = { val_: "validation", test_: "test" } as const;
const heldOutPrefix = new RegExp(`^(${Object.keys(heldOut).join("|")})`);

/** A chart for every metric, training and held-out samples in one, and all figures in a table. */
function curves({ unit, positions, values }: RunHistory): Html {
  const names = Object.keys(values);
  const metrics = new Set(names.map((name) => name.replace(heldOutPrefix, "")));
  const charts = [...metrics].map((metric) => {
    const series: Series[] = [
      { name: "training", style: "train", values: values[metric] ?? [] },
      ...Object.entries(heldOut).map(
        ([prefix, name]): Series => ({ name, style: "heldOut", values: values[prefix + metric] ?? [] }),
      ),
    ];
    return lineChart(heading(metric), unit, positions, series);
  });
  return html`<section>
<h2>Learning curves</h2>
<div class="columns">${charts}</div>
<details class="card">
<summary>All figures</summary>
<div class="scroll"><table class="rows">
<thead><tr><th>${unit}</th>${names.map((name) => html`<th class="number">${words(name)}</th>`)}</tr></thead>
<tbody>${positions.map(
    (position, i) =>
      html`<tr><td>${figure(position)}</td>${names.map((name) => html`<td class="number">${cell(values[name]?.[i])}</td>`)}</tr>`,
  )}</tbody>
</table></div>
</details>
</section>`;
}

function cell(value: number | null | undefined): string {
  return value === null || value === undefined ? "" : figure(value);
}

/** Classes of a confusion matrix that has room beside another table. */
const mostBeside = 10;

async function classes(result: Classification): Promise<Html> {
  const pictures = await Promise.all(
    result.mistakes.flatMap(({ image, ...mistake }) =>
      image === undefined ? [] : [pngDataUri(image).then((uri) => ({ ...mistake, uri }))],
    ),
  );
  const name = (i: number) => result.names[i] ?? String(i);
  return html`<div class="${result.names.length > mostBeside ? "" : "columns"}">
<section><h2>Confusion matrix</h2><div class="card scroll">${confusionTable(result)}</div></section>
<section><h2>Classes</h2><div class="card scroll">${scoresTable(result)}</div></section>
</div>
${
  pictures.length === 0
    ? ""
    : html`<section>
<h2>Worst mistakes</h2>
<p class="soft">The ${pictures.length} test samples that the model got wrong with the most confidence: the true class, what it was taken for, and the probability given to that.</p>
<div class="mistakes">${pictures.map(
        ({ sample, truth, predicted, confidence, uri }) =>
          html`<figure><div><img src="${uri}" alt="sample ${sample}, a ${name(truth)} taken for ${name(predicted)}" title="sample ${sample}"></div><figcaption><b>${name(truth)}</b> → <b class="wrong">${name(predicted)}</b><br>${percent(confidence)}</figcaption></figure>`,
      )}</div>
</section>`
}`;
}

/** Rows are true classes; the diagonal is shaded by recall, the rest by the number of mistakes. */
function confusionTable({ names, confusion }: Classification): Html {
  const most = Math.max(1, ...confusion.flatMap((row, i) => row.filter((_, j) => j !== i)));
  const body = confusion.map((row, i) => {
    const support = row.reduce((sum, count) => sum + count, 0);
    const cells = row.map((count, j) => {
      if (count === 0) return html`<td class="none">·</td>`;
      const share = (i === j ? count / support : count / most).toFixed(3);
      const told = `${count} of ${support} samples of class ${names[i] ?? i} taken for ${names[j] ?? j}`;
      return html`<td class="${i === j ? "hit" : "miss"}" style="--share: ${share}" title="${told}">${count}</td>`;
    });
    return html`<tr><th scope="row"><div>${names[i] ?? i}</div></th>${cells}</tr>`;
  });
  return html`<table class="confusion">
<thead>
<tr><th></th><th class="over" colspan="${names.length}">predicted</th></tr>
<tr><th>true</th>${names.map((name) => html`<th scope="col"${name.length > 4 ? html` class="upright"` : ""} title="${name}">${name}</th>`)}</tr>
</thead>
<tbody>${body}</tbody>
</table>`;
}

function scoresTable(result: Classification): Html {
  const scores = classScores(result);
  const total = scores.reduce((sum, { support }) => sum + support, 0);
  const mean = (score: "precision" | "recall" | "f1") =>
    percent(scores.reduce((sum, one) => sum + one[score], 0) / Math.max(1, scores.length));
  return html`<table class="rows">
<thead><tr><th>class</th><th class="number">precision</th><th class="number">recall</th><th class="number">F1</th><th class="number">samples</th></tr></thead>
<tbody>${scores.map(
    ({ name, precision, recall, f1, support }) =>
      html`<tr><th scope="row">${name}</th><td class="number">${percent(precision)}</td><td class="number">${percent(recall)}</td><td class="number">${percent(f1)}</td><td class="number">${figure(support)}</td></tr>`,
  )}</tbody>
<tfoot><tr><th scope="row">mean</th><td class="number">${mean("precision")}</td><td class="number">${mean("recall")}</td><td class="number">${mean("f1")}</td><td class="number">${figure(total)}</td></tr></tfoot>
</table>`;
}

function settings(values: object): Html {
  return html`<div class="card"><table class="rows settings"><tbody>${flattened(values).map(
    ([name, value]) =>
      html`<tr><th scope="row">${name}</th><td>${/^https:\/\/\S+$/.test(value) ? html`<a href="${value}">${value}</a>` : value}</td></tr>`,
  )}</tbody></table></div>`;
}

/** Nested objects as rows, `optimizer: { learningRate }` as "Optimizer: learning rate"; what is not set is left out. */
function flattened(values: object, prefix = ""): [name: string, value: string][] {
  return Object.entries(values).flatMap(([key, value]: [string, unknown]): [string, string][] => {
    const name = prefix === "" ? heading(key) : `${prefix}: ${words(key)}`;
    if (value === undefined || value === null) return [];
    if (Array.isArray(value))
      return [
        [name, value.map((item) => (typeof item === "object" ? JSON.stringify(item) : item)).join(", ")],
      ];
    if (typeof value === "object") return flattened(value, name);
    return [[name, typeof value === "boolean" ? (value ? "yes" : "no") : String(value)]];
  });
}

/** A name in words: `learningRate` as "learning rate", `val_loss` as "validation loss", `test_loss` as "test loss". */
function words(name: string): string {
  return name
    .replace(heldOutPrefix, (prefix) => `${heldOut[prefix as keyof typeof heldOut]} `)
    .replaceAll(
      /([a-z0-9])([A-Z]+)/g,
      (_, before: string, letters: string) =>
        `${before} ${letters.length === 1 ? letters.toLowerCase() : letters}`,
    );
}

function heading(name: string): string {
  const text = words(name);
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
