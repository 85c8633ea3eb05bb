import { runInNewContext } from "node:vm";
import { build } from "esbuild";
import { describe, expect, it } from "vitest";
import { RondoError } from "../errors.js";
import { tensor } from "../tensor.js";
import { History } from "../train/callbacks/history.js";
import { type RunReport, renderReport } from "./report.js";
import { classification } from "./sections/classification.js";
import { learningCurves } from "./sections/learningCurves.js";

const report: RunReport = {
  title: "digits <1>",
  date: new Date(Date.UTC(2026, 0, 2, 3, 4)),
  headline: [{ label: "Test accuracy", value: "0.9789", note: "source: 0.9789" }],
  sections: [
    learningCurves({
      unit: "epoch",
      positions: [1, 2],
      values: { loss: [1, 0.5], val_loss: [0.8, 0.6], accuracy: [0.5, 0.75] },
    }),
  ],
  configuration: {
    epochs: 2,
    optimizer: { name: "adam", learningRate: 0.001 },
    useGPU: false,
    shuffle: true,
    data: undefined,
    cache: null,
  },
  environment: { backend: "wasm, 1 thread" },
};

describe("renderReport", () => {
  it("loads nothing from elsewhere", async () => {
    const page = await renderReport({
      ...report,
      sections: [
        ...report.sections,
        classification(tensor([0]), tensor([[0.1, 0.9]]), { images: tensor([[[0, 1]]]) }),
      ],
    });
    expect(page.replaceAll(/ xmlns(:xlink)?="[^"]*"/g, "")).not.toMatch(
      /https?:|<script|<link|@import|url\(/,
    );
    expect(page.match(/src="/g)).toHaveLength(1);
    expect(page).toContain('src="data:image/png;base64,');
    expect(page).toContain("sample 0, a 0 taken for 1");
  });

  it("escapes what it is given", async () => {
    expect(await renderReport(report)).toContain("<h1>digits &lt;1&gt;</h1>");
    expect(await renderReport(report)).not.toContain("digits <1>");
  });

  it("draws training and validation of a metric in one chart", async () => {
    const charts = (await renderReport(report)).split('<figure class="chart">').slice(1);
    expect(charts).toHaveLength(2);
    // Each in two sizes.
    expect(charts.map((chart) => chart.match(/mark-line/g)?.length)).toEqual([4, 2]);
    expect(charts[0]).toContain("<figcaption>Loss</figcaption>");
  });

  it("writes settings in words and leaves out what is not set", async () => {
    const page = await renderReport(report);
    for (const [name, value] of [
      ["Epochs", "2"],
      ["Optimizer: learning rate", "0.001"],
      ["Use GPU", "no"],
      ["Shuffle", "yes"],
    ])
      expect(page).toContain(`<th scope="row">${name}</th><td>${value}</td>`);
    expect(page).not.toMatch(/undefined|null|Data|Cache/);
  });

  it("links an https address, and nothing else", async () => {
    const configuration = { address: "https://example.org/?a=1&b", other: "javascript:alert(1)" };
    const page = await renderReport({ ...report, configuration });
    const link = "https://example.org/?a=1&amp;b";
    expect(page).toContain(`<td><a href="${link}">${link}</a></td>`);
    expect(page).toContain("<td>javascript:alert(1)</td>");
  });

  it("writes the names of metrics in words", async () => {
    const page = await renderReport({
      ...report,
      sections: [
        learningCurves({
          unit: "epoch",
          positions: [1],
          values: { learningRate: [0.1], val_meanSquaredError: [1], test_loss: [2], loss: [1] },
        }),
      ],
    });
    expect(page).toContain("<figcaption>Learning rate</figcaption>");
    expect(page).toContain("<figcaption>Mean squared error</figcaption>");
    expect(page).toContain(">validation mean squared error</th>");
    expect(page).toContain(">test loss</th>");
    expect(page.match(/<figcaption>Loss<.figcaption>/g)).toHaveLength(1);
  });

  it("takes what fit returns", async () => {
    const fitted = new History();
    fitted.onEpochEnd(0, { loss: 2 });
    expect(await renderReport({ ...report, sections: [learningCurves(fitted)] })).toContain("<td>1</td><td");
  });

  it.each([
    [{ title: "alone" }, /renderReport: received undefined for date, expected a valid Date/],
    [{ ...report, date: new Date("no date") }, /a valid Date/],
    [{ ...report, titel: "twice" }, /unknown option "titel".*Did you mean "title"/],
    [
      { ...report, headline: [undefined] },
      /received a list for headline, expected a list of \{ label, value \}/,
    ],
    [{ ...report, sections: [{ kind: "chart" }] }, /received a list for sections, expected a list of what/],
    [{ ...report, sections: undefined }, /received undefined for sections/],
    [undefined, /received undefined for its options/],
  ])("refuses a report with faulty parts: %#", async (given, message) => {
    const call = () => renderReport(given as unknown as RunReport);
    await expect(call()).rejects.toThrow(message);
    await expect(call()).rejects.toThrow(RondoError);
  });

  it("is drawn by any JavaScript: what is Node's alone is not needed", async () => {
    const { outputFiles } = await build({
      stdin: {
        contents: `
          import { classification, learningCurves, renderReport } from "./index.js";
          const history = { unit: "epoch", positions: [1], values: { loss: [1] } };
          page = renderReport({
            title: "In a page", date: new Date(0), headline: [], configuration: {}, environment: {},
            sections: [learningCurves(history), classification([0], [[0.1, 0.9]], { images: [[[0, 1]]] })],
          });`,
        resolveDir: import.meta.dirname,
      },
      bundle: true,
      platform: "browser",
      format: "iife",
      logLevel: "error", // what is not reached warns of a format that it would not suit
      tsconfigRaw: "{}",
      write: false,
    });
    const context = { btoa, console, setTimeout, TextDecoder, TextEncoder, page: Promise.resolve("") };
    runInNewContext(outputFiles[0]?.text ?? "", context);
    expect(await context.page).toContain("data:image/png;base64,");
  });

  it("is the same bytes for the same run", async () => {
    expect(await renderReport(report)).toBe(await renderReport(structuredClone(report)));
  });

  it("shows the sections in their order", async () => {
    const [curves] = report.sections;
    const classes = classification([0], [[0.1, 0.9]]);
    const page = await renderReport({ ...report, sections: curves === undefined ? [] : [classes, curves] });
    expect(page.indexOf("Confusion matrix")).toBeGreaterThan(0);
    expect(page.indexOf("Learning curves")).toBeGreaterThan(page.indexOf("Confusion matrix"));
  });

  it("leaves out the parts that were not given", async () => {
    const page = await renderReport({
      ...report,
      sections: [learningCurves({ unit: "epoch", positions: [], values: {} })],
    });
    for (const part of ["Learning curves", "Confusion matrix", "Worst mistakes", "<pre>"])
      expect(page).not.toContain(part);
    expect(page).toContain("2026-01-02 03:04 UTC");
  });
});
