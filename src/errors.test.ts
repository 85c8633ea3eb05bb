import { describe, expect, it } from "vitest";
import { nearestName, RondoError, unknownName } from "./errors.js";

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
