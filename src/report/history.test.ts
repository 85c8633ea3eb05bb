import { describe, expect, it } from "vitest";
import { historyCsv, historyJson } from "./history.js";

const history = {
  unit: "step",
  positions: [1, 500],
  values: { loss: [2.5, Number.NaN], val_loss: [null, 0.25], 'a "b", c': [0, 1] },
} as const;

describe("history", () => {
  it("is written as CSV", () => {
    expect(historyCsv(history)).toBe('step,loss,val_loss,"a ""b"", c"\r\n1,2.5,,0\r\n500,NaN,0.25,1\r\n');
  });

  it("is written as JSON", () => {
    expect(JSON.parse(historyJson(history))).toEqual({
      step: [1, 500],
      loss: [2.5, null],
      val_loss: [null, 0.25],
      'a "b", c': [0, 1],
    });
  });
});
