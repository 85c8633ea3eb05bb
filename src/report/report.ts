import { figure, lineChart, type Series } from "./chart.js";
import { type Classification, classScores } from "./classification.js";
import type { RunHistory } from "./history.js";
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
  readonly history: RunHistory;
  /** On the test samples. */
  readonly classification?: Classification;
  /** The text of `model.summary()`. */
  readonly summary?: string;
  /** The resolved configuration; nested objects become dotted names. */
  readonly configuration: object;
  /** Versions, backend, threads, machine … */
  readonly environment: object;
}

/** The report as one HTML page that loads nothing else. */
export function renderReport(report: RunReport): string {
  const { title, description, date, headline, history, summary } = report;
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
${report.classification === undefined ? "" : classes(report.classification)}
${summary === undefined ? "" : html`<h2>Model</h2><div class="card"><pre>${summary}</pre></div>`}
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

const validationPrefix = "val_";

/** A chart for every metric, training and validation in one, and all figures in a table. */
function curves({ unit, positions, values }: RunHistory): Html {
  const names = Object.keys(values);
  const metrics = new Set(names.map((name) => name.replace(new RegExp(`^${validationPrefix}`), "")));
  const charts = [...metrics].map((metric) => {
    const series: Series[] = [
      { name: "training", style: "train", values: values[metric] ?? [] },
      { name: "validation", style: "validation", values: values[validationPrefix + metric] ?? [] },
    ];
    return lineChart(capitalized(metric), unit, positions, series);
  });
  return html`<section>
<h2>Learning curves</h2>
<div class="columns">${charts}</div>
<details class="card" style="margin-top: 16px">
<summary>All figures</summary>
<table class="rows">
<thead><tr><th>${unit}</th>${names.map((name) => html`<th class="number">${name}</th>`)}</tr></thead>
<tbody>${positions.map(
    (position, i) =>
      html`<tr><td>${position}</td>${names.map((name) => html`<td class="number">${cell(values[name]?.[i])}</td>`)}</tr>`,
  )}</tbody>
</table>
</details>
</section>`;
}

function cell(value: number | null | undefined): string {
  return value === null || value === undefined ? "" : figure(value);
}

function classes(result: Classification): Html {
  const { mistakes } = result;
  const pictures = mistakes.flatMap(({ image, ...mistake }) =>
    image === undefined ? [] : [{ ...mistake, image }],
  );
  const name = (i: number) => result.names[i] ?? String(i);
  return html`<div class="columns">
<section><h2>Confusion matrix</h2><div class="card">${confusionTable(result)}</div></section>
<section><h2>Classes</h2><div class="card">${scoresTable(result)}</div></section>
</div>
${
  pictures.length === 0
    ? ""
    : html`<section>
<h2>Worst mistakes</h2>
<p class="soft">The ${pictures.length} test samples that the model got wrong with the most confidence: the true class, what it was taken for, and the probability given to that.</p>
<div class="mistakes">${pictures.map(
        ({ sample, truth, predicted, confidence, image }) =>
          html`<figure><div><img src="${pngDataUri(image)}" alt="sample ${sample}, a ${name(truth)} taken for ${name(predicted)}" title="sample ${sample}"></div><figcaption><b>${name(truth)}</b> → <b class="wrong">${name(predicted)}</b><br>${percent(confidence)}</figcaption></figure>`,
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
    return html`<tr><th scope="row">${names[i] ?? i}</th>${cells}</tr>`;
  });
  return html`<table class="confusion" style="min-width: ${42 * (names.length + 1)}px">
<thead>
<tr><th></th><th colspan="${names.length}">predicted</th></tr>
<tr><th>true</th>${names.map((name) => html`<th scope="col">${name}</th>`)}</tr>
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
    ([name, value]) => html`<tr><th scope="row">${name}</th><td>${value}</td></tr>`,
  )}</tbody></table></div>`;
}

/** Nested objects as rows with dotted names; what is undefined is left out. */
function flattened(values: object, prefix = ""): [name: string, value: string][] {
  return Object.entries(values).flatMap(([key, value]: [string, unknown]): [string, string][] => {
    const name = prefix + key;
    if (value === undefined) return [];
    if (Array.isArray(value))
      return [
        [name, value.map((item) => (typeof item === "object" ? JSON.stringify(item) : item)).join(", ")],
      ];
    if (typeof value === "object" && value !== null) return flattened(value, `${name}.`);
    return [[name, String(value)]];
  });
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
