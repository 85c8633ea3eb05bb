import { describe, expect, it } from "vitest";
import { CallSite, checkOptions, nearestName, RondoError, unknownName, valueText } from "./errors.js";

describe("CallSite", () => {
  it("leaves errors as they are where stacks are no text, or Error is frozen", () => {
    const call = () => new CallSite(call);
    const { prepareStackTrace, captureStackTrace } = Error;
    const mine = new Error("mine");
    const stack = String(mine.stack);
    try {
      Error.prepareStackTrace = (_, sites) => sites;
      expect(call().extend(mine)).toBe(mine);
      Error.captureStackTrace = () => {
        throw new TypeError("read only");
      };
      expect(call().extend(mine)).toBe(mine);
      expect(new RondoError({ where: "a", received: "b", expected: "c", fix: "d" }).message).toContain("a: ");
    } finally {
      Object.assign(Error, { prepareStackTrace, captureStackTrace });
    }
    expect(mine.stack).toBe(stack);
  });

  it("puts the place of the call behind an error's own stack, once", () => {
    function call() {
      return new CallSite(call);
    }
    const site = call();
    const error = new Error("later");
    error.stack = "Error: later\n    at somewhere (else.ts:1:1)";
    site.extend(error);
    const once = error.stack;
    expect(once).toMatch(/else\.ts:1:1\)\n.*errors\.test/s);
    site.extend(error);
    expect(error.stack).toBe(once);
  });
});

describe("RondoError", () => {
  const parts = {
    where: 'dense "dense_1"',
    received: "an input of rank 1",
    expected: "rank 2 or more",
    fix: "Reshape the input",
  };

  it("keeps its four parts and says them in one sentence", () => {
    const error = new RondoError(parts);
    expect(error).toMatchObject(parts);
    expect(error.message).toBe(
      'dense "dense_1": received an input of rank 1, expected rank 2 or more. Reshape the input.',
    );
    expect(error).toBeInstanceOf(Error);
    expect(error.name).toBe("RondoError");
  });

  it("ends a fix that is a question as a question", () => {
    expect(new RondoError({ ...parts, fix: "Did you forget the batch axis?" }).message).toMatch(/axis\?$/);
  });

  it("carries the error underneath", () => {
    const cause = new Error("disk");
    expect(new RondoError(parts, { cause }).cause).toBe(cause);
  });
});

describe("valueText", () => {
  it.each<[unknown, string]>([
    ["x", '"x"'],
    [3, "3"],
    [null, "null"],
    [undefined, "undefined"],
    [[1], "a list"],
    [{}, "an object"],
    [Object.create(null), "an object"],
    [new Map(), "a Map"],
    [new Uint8Array(1), "a Uint8Array"],
    [new AbortController(), "an AbortController"],
    [Math.tanh, "the function tanh"],
    [
      (
        () => () =>
          1
      )(),
      "a function",
    ],
  ])("puts %o into words", (value, text) => expect(valueText(value)).toBe(text));
});

describe("checkOptions", () => {
  it.each([null, undefined, 3, "adam", [1], Math.tanh])("refuses %o for an object of options", (options) =>
    expect(() => checkOptions("adam", options, ["learningRate"])).toThrow(
      /^adam: received .* for its options, expected an object. Write for example \{ learningRate: … \}/,
    ),
  );

  it("refuses a misspelt name", () =>
    expect(() => checkOptions("adam", { learnigRate: 1 }, ["learningRate"])).toThrow(
      /Did you mean "learningRate"/,
    ));
});

describe("nearestName", () => {
  const losses = [
    "meanSquaredError",
    "meanAbsoluteError",
    "categoricalCrossentropy",
    "sparseCategoricalCrossentropy",
  ];

  it.each([
    ["meanSquareError", "meanSquaredError"],
    ["mean_absolute_error", "meanAbsoluteError"],
    ["CategoricalCrossEntropy", "categoricalCrossentropy"],
    ["sparse-categorical-crossentorpy", "sparseCategoricalCrossentropy"],
  ])("reads %s as %s", (written, meant) => {
    expect(nearestName(written, losses)).toBe(meant);
  });

  it("counts a swap of neighbours as one change", () => {
    expect(nearestName("adma", ["adam", "sgd"])).toBe("adam");
  });

  it("suggests nothing when nothing is near", () => {
    expect(nearestName("focal", losses)).toBeUndefined();
    expect(nearestName("x", [])).toBeUndefined();
  });

  it("is part of the error for an unknown name", () => {
    expect(unknownName("compile", "optimizer", "Adma", ["sgd", "adam"]).message).toBe(
      'compile: received the unknown optimizer "Adma", expected one of sgd, adam. Did you mean "adam"?',
    );
    expect(unknownName("compile", "optimizer", "lbfgs", ["sgd", "adam"]).fix).toBe("Use one of these names");
  });
});
