import { describe, expect, it } from "vitest";
import { tensor } from "../tensor.js";
import { classification } from "./classification.js";
import { type RunReport, renderReport } from "./report.js";

const report: RunReport = {
  title: "digits <1>",
  date: new Date(Date.UTC(2026, 0, 2, 3, 4)),
  headline: [{ label: "Test accuracy", value: "0.9789", note: "source: 0.9789" }],
  history: {
    unit: "epoch",
    positions: [1, 2],
    values: { loss: [1, 0.5], val_loss: [0.8, 0.6], accuracy: [0.5, 0.75] },
  },
  configuration: { epochs: 2, optimizer: { name: "adam", learningRate: 0.001 }, data: undefined },
  environment: { backend: "wasm, 1 thread" },
};

describe("renderReport", () => {
  it("loads nothing from elsewhere", () => {
    const page = renderReport({
      ...report,
      classification: classification(tensor([0]), tensor([[0.1, 0.9]]), { images: tensor([[[0, 1]]]) }),
    });
    expect(page).not.toMatch(/https?:|<script|<link|@import|url\(/);
    expect(page.match(/src="/g)).toHaveLength(1);
    expect(page).toContain('src="data:image/png;base64,');
    expect(page).toContain("sample 0, a 0 taken for 1");
  });

  it("escapes what it is given", () => {
    expect(renderReport(report)).toContain("<h1>digits &lt;1&gt;</h1>");
    expect(renderReport(report)).not.toContain("digits <1>");
  });

  it("draws training and validation of a metric in one chart", () => {
    const charts = renderReport(report).split('<figure class="chart">').slice(1);
    expect(charts).toHaveLength(2);
    expect(charts.map((chart) => chart.match(/<polyline/g)?.length)).toEqual([2, 1]);
    expect(charts[0]).toContain("<figcaption>Loss</figcaption>");
  });

  it("writes nested settings with dotted names and leaves out what is not set", () => {
    const page = renderReport(report);
    expect(page).toContain('<th scope="row">optimizer.learningRate</th><td>0.001</td>');
    expect(page).not.toContain("undefined");
  });

  it("leaves out the parts that were not given", () => {
    const page = renderReport({ ...report, history: { unit: "epoch", positions: [], values: {} } });
    for (const part of ["Learning curves", "Confusion matrix", "Worst mistakes", "<pre>"])
      expect(page).not.toContain(part);
    expect(page).toContain("2026-01-02 03:04 UTC");
  });
});
