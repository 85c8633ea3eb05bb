import { checkOptions, RondoError, valueText } from "../errors.js";
import { Html, html } from "./html.js";
import { drawSection, isSection, type Section } from "./sections/index.js";
import { style } from "./style.js";
import { heading, words } from "./words.js";

/** Everything a report shows: plain data. Parts that are left out are left out of the page. */
export interface RunReport {
  readonly title: string;
  /** One or two sentences below the title. */
  readonly description?: string;
  /** When the run ended. */
  readonly date: Date;
  /** The figures that count, first the one that matters most. */
  readonly headline: readonly { readonly label: string; readonly value: string; readonly note?: string }[];
  /** What there is to see, in this order: what `learningCurves`, `classification` … make. */
  readonly sections: readonly Section[];
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
  sections: [
    "a list of what learningCurves, classification … return",
    (value) => Array.isArray(value) && value.every(isSection),
  ],
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
  const sections = await Promise.all(report.sections.map(drawSection));
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
${sections}
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
