import { describe, expect, it } from "vitest";
import { RondoError } from "../errors.js";
import { History } from "../train/callbacks/history.js";
import { type AnyHistory, historyCsv, historyJson } from "./history.js";

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

  it("is also what fit returns, with epochs from 1", () => {
    const fitted = new History();
    fitted.onEpochEnd(0, { loss: 2, val_loss: 1 });
    fitted.onEpochEnd(1, { loss: 1, val_loss: 0.5 });
    expect(historyCsv(fitted)).toBe("epoch,loss,val_loss\r\n1,2,1\r\n2,1,0.5\r\n");
    expect(JSON.parse(historyJson(fitted))).toEqual({ epoch: [1, 2], loss: [2, 1], val_loss: [1, 0.5] });
  });

  it("of several trainings says which a line is of, and has the columns of all", () => {
    const adam = { unit: "step", positions: [1], values: { loss: [4], mae: [3] } } as const;
    const both = { 'a "b"': history, adam };
    expect(historyCsv(both)).toBe(
      'run,step,loss,val_loss,"a ""b"", c",mae\r\n"a ""b""",1,2.5,,0,\r\n"a ""b""",500,NaN,0.25,1,\r\nadam,1,4,,,3\r\n',
    );
    expect(JSON.parse(historyJson(both))).toMatchObject({
      'a "b"': { step: [1, 500] },
      adam: { step: [1], loss: [4], mae: [3] },
    });
    expect(JSON.parse(historyJson({ adam }))).toEqual({ adam: { step: [1], loss: [4], mae: [3] } });
  });

  it.each([
    [undefined, /historyCsv: received undefined for the history.*what fit returns/],
    [Promise.resolve(new History()), /received a Promise.*Await the fit first/],
    [{ loss: [1] }, /received an object/],
    [{ unit: "batch", positions: [1], values: {} }, /received an object/],
    [{ epoch: [0], history: { loss: 1 } }, /received an object/],
  ])("refuses anything else: %j", (given, message) => {
    expect(() => historyCsv(given as AnyHistory)).toThrow(message);
    expect(() => historyJson(given as AnyHistory)).toThrow(RondoError);
  });
});
