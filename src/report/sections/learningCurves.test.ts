import { describe, expect, it } from "vitest";
import { RondoError } from "../../errors.js";
import type { RunHistory } from "../history.js";
import { drawLearningCurves, type LearningCurvesOptions, learningCurves } from "./learningCurves.js";

const sgd: RunHistory = { unit: "step", positions: [1, 2], values: { loss: [10, 1], val_loss: [11, 2] } };
const adam: RunHistory = { unit: "step", positions: [1], values: { loss: [5] } };
const figures = (text: string) => text.split('<figure class="chart">').slice(1);

describe("learningCurves", () => {
  it("draws a plot for each figure of several trainings, with a line for each of them", () => {
    const [loss = "", held = "", ...more] = figures(
      drawLearningCurves(learningCurves({ sgd, adam, nadam: adam, adamax: adam })).text,
    );
    expect(more).toEqual([]);
    expect(loss).toContain("<figcaption>Loss</figcaption>");
    expect(loss.match(/<polyline class="tone\d"/g)).toEqual(
      [0, 1, 2, 3].map((i) => `<polyline class="tone${i}"`),
    );
    expect(held).toContain("<figcaption>Validation loss</figcaption>");
    expect(held.match(/<polyline class/g)).toHaveLength(1);
  });

  it("says in the table which training a row is of", () => {
    const { text } = drawLearningCurves(learningCurves({ sgd, adam }));
    expect(text).toContain("<th>run</th><th>step</th>");
    expect(text).toContain('<td>adam</td><td>1</td><td class="number">5</td><td class="number"></td>');
    expect(drawLearningCurves(learningCurves(sgd)).text).not.toContain("<th>run</th>");
  });

  it("has logarithmic axes where asked", () => {
    const ys = (logarithmic: string[]) =>
      [...drawLearningCurves(learningCurves(sgd, { logarithmic })).text.matchAll(/x="-8".*?>([^<]*)</g)].map(
        ([, text]) => text,
      );
    expect(ys(["loss"])).toEqual(["1", "2", "5", "10", "20"]);
    expect(ys([])).toContain("0");
  });

  it("names a single training where it has a name", () => {
    expect(drawLearningCurves(learningCurves({ sgd })).text).toContain("<td>sgd</td>");
  });

  it("leaves out trainings that measured nothing, and itself where none did", () => {
    const empty = { unit: "step", positions: [], values: {} } as const;
    expect(drawLearningCurves(learningCurves({ sgd, adam: empty })).text).not.toContain("adam");
    expect(drawLearningCurves(learningCurves({ sgd: empty, adam: empty })).text).toBe("");
  });

  it.each([
    [{ sgd, adam: { loss: [1] } }, {}, /learningCurves: received an object for the history/],
    [{}, {}, /received an object for the history/],
    [{ sgd, adam: { ...adam, unit: "epoch" } }, {}, /histories in epochs and in steps/],
    [{ sgd: Promise.resolve(sgd) }, {}, /Await the fit first/],
    [{ sgd }, { logarithmic: ["los"] }, /unknown metric "los".*Did you mean "loss"/],
    [{ sgd }, { logarithmic: "loss" }, /received "loss" for logarithmic/],
    [{ sgd }, { log: ["loss"] }, /unknown option "log"/],
  ])("refuses what does not fit: %#", (histories, options, message) => {
    const call = () => learningCurves(histories as unknown as RunHistory, options as LearningCurvesOptions);
    expect(call).toThrow(message);
    expect(call).toThrow(RondoError);
  });
});
