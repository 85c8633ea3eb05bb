import { describe, expect, it, vi } from "vitest";
import { RondoError } from "../errors.js";

describe("without Vega", () => {
  it("says how to get it, and draws what needs no pictures", async () => {
    vi.resetModules();
    vi.doMock("vega", () => {
      throw new Error("Cannot find package 'vega'");
    });
    const { canDraw, howToDraw, learningCurves, renderReport, table } = await import("./index.js");
    expect(await canDraw()).toBe(false);
    const report = { title: "A run", date: new Date(0), headline: [], configuration: {}, environment: {} };
    const curves = learningCurves({ unit: "epoch", positions: [1], values: { loss: [1] } });
    const failure = await renderReport({ ...report, sections: [curves] }).catch((error: unknown) => error);
    expect(String(failure)).toMatch(/no package vega.*installed beside rondo.*npm install vega/);
    expect((failure as RondoError).name).toBe(RondoError.name);
    expect(howToDraw).toBe("npm install vega");
    const alone = table({ title: "Losses", columns: ["a"], rows: [[1]] });
    expect(await renderReport({ ...report, sections: [alone] })).toContain("Losses");
    vi.doUnmock("vega");
    vi.resetModules();
  });
});
