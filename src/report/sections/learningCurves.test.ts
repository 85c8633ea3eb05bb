import { describe, expect, it } from "vitest";
import { RondoError } from "../../errors.js";
import type { RunHistory } from "../history.js";
import { drawLearningCurves, type LearningCurvesOptions, learningCurves } from "./learningCurves.js";

const sgd: RunHistory = { unit: "step", positions: [1, 2], values: { loss: [10, 1], val_loss: [11, 2] } };
const adam: RunHistory = { unit: "step", positions: [1], values: { loss: [5] } };
const drawn = async (...given: Parameters<typeof learningCurves>): Promise<string> =>
  (await drawLearningCurves(learningCurves(...given))).text;
const figures = (text: string) => text.split('<figure class="chart">').slice(1);

describe("learningCurves", () => {
  it("draws a plot for each figure of several trainings, with a line for each of them", async () => {
    const [loss = "", held = "", ...more] = figures(await drawn({ sgd, adam, nadam: adam, adamax: adam }));
    expect(more).toEqual([]);
    expect(loss).toContain("<figcaption>Loss</figcaption>");
    const wide = loss.slice(loss.indexOf('class="wide"'));
    expect(
      [...wide.matchAll(/mark-line[^>]*><path[^>]* stroke="([^"]*)"/g)].map(([, colour]) => colour),
    ).toEqual([0, 1, 2, 3].map((i) => `var(--tone${i})`));
    expect(held).toContain("<figcaption>Validation loss</figcaption>");
    expect(held.match(/mark-line/g)).toHaveLength(2);
  });

  it("says in the table which training a row is of", async () => {
    const text = await drawn({ sgd, adam });
    expect(text).toContain("<th>run</th><th>step</th>");
    expect(text).toContain('<td>adam</td><td>1</td><td class="number">5</td><td class="number"></td>');
    expect(await drawn(sgd)).not.toContain("<th>run</th>");
  });

  it("has logarithmic axes where asked", async () => {
    const ys = async (logarithmic: string[]) =>
      [...(await drawn(sgd, { logarithmic })).matchAll(/text-anchor="end"[^>]*>([^<]+)</g)].map(
        ([, text]) => text,
      );
    expect(await ys(["loss"])).toContain("3");
    expect(await ys(["loss"])).not.toContain("0");
    expect(await ys([])).toContain("0");
  });

  it("names a single training where it has a name", async () => {
    expect(await drawn({ sgd })).toContain("<td>sgd</td>");
  });

  it("leaves out trainings that measured nothing, and itself where none did", async () => {
    const empty = { unit: "step", positions: [], values: {} } as const;
    expect(await drawn({ sgd, adam: empty })).not.toContain("adam");
    expect(await drawn({ sgd: empty, adam: empty })).toBe("");
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
