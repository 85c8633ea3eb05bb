import { describe, expect, expectTypeOf, it } from "vitest";
import { flagOf, type OptionValues, option, written } from "./options.js";
import { defineRecipe } from "./recipe.js";
import {
  type Goal,
  goalOf,
  goalsText,
  goalText,
  type RecipeDescription,
  settingsOf,
  type Wishes,
} from "./settings.js";

const options = {
  units: option.wholeNumber({ description: "units", default: 128, most: 512 }),
  keep: option.number({ description: "share kept", default: 0.5, above: 0, most: 1 }),
  layer: option.choice({ description: "layer", default: "lstm", of: ["lstm", "bilstm"] }),
  optimizers: option.choices({ description: "optimizers", default: ["sgd", "adam"], of: ["sgd", "adam"] }),
  lstmSizes: option.wholeNumbers({ description: "units of each layer", default: [128, 64] }),
  rates: option.numbers({ description: "learning rates", default: [0.1], above: 0 }),
};

const description: RecipeDescription<typeof options> = {
  name: "tiny",
  title: "A tiny model",
  goal: { figure: "stepAccuracy", bound: "at least", value: 0.96 },
  source: {
    title: "a tutorial",
    settings: { count: 3, batchSize: 1, learningRate: 0.001 },
    options: { layer: "bilstm", keep: 1 },
    goal: { figure: "stepAccuracy", bound: "at least", value: 0.93 },
  },
  unit: "epoch",
  defaults: { count: 5, batchSize: 2, learningRate: 0.01 },
  options,
};

describe("option", () => {
  it("gives settings their types", () => {
    expectTypeOf<OptionValues<typeof options>>().toEqualTypeOf<{
      readonly units: number;
      readonly keep: number;
      readonly layer: "lstm" | "bilstm";
      readonly optimizers: readonly ("sgd" | "adam")[];
      readonly lstmSizes: readonly number[];
      readonly rates: readonly number[];
    }>();
    defineRecipe({
      ...description,
      prediction: { reads: "nothing", gives: "nothing" },
      async train(settings) {
        expectTypeOf(settings.options.layer).toEqualTypeOf<"lstm" | "bilstm">();
      },
      async evaluate({ settings }) {
        expectTypeOf(settings.options.layer).toEqualTypeOf<"lstm" | "bilstm">();
        return { figures: {}, sections: [] };
      },
      async *predict({ settings }) {
        expectTypeOf(settings.options.layer).toEqualTypeOf<"lstm" | "bilstm">();
        yield {};
      },
    });
    // @ts-expect-error a default must be one of the choices
    option.choice({ description: "layer", default: "gru", of: ["lstm", "bilstm"] });
  });

  it.each([
    ["units", "512", 512],
    ["keep", "0.25", 0.25],
    ["layer", "bilstm", "bilstm"],
    ["optimizers", "adam", ["adam"]],
    ["lstmSizes", "8,4", [8, 4]],
    ["rates", "0.1,1", [0.1, 1]],
  ] as const)("reads %s from the command line as it is written there", (name, text, value) => {
    expect(options[name].read(text)).toEqual(value);
    expect(written(value)).toBe(text);
  });

  it.each([
    ["units", "513", "from 1 to 512"],
    ["keep", "0", "above 0"],
    ["rates", "1,0", "above 0"],
    ["lstmSizes", "0", "1 or larger"],
    ["optimizers", "adam,adam", "twice"],
  ] as const)("holds %s within its limits: %s", (name, text, message) => {
    expect(() => options[name].read(text)).toThrow(message);
  });

  it("has dashes on the command line", () => expect(flagOf("lstmSizes")).toBe("lstm-sizes"));
});

describe("settingsOf", () => {
  it("takes the defaults, the source's, and what was asked beyond them", () => {
    expect(settingsOf(description, { seed: 1 })).toEqual({
      count: 5,
      batchSize: 2,
      learningRate: 0.01,
      seed: 1,
      asInSource: false,
      data: undefined,
      options: {
        units: 128,
        keep: 0.5,
        layer: "lstm",
        optimizers: ["sgd", "adam"],
        lstmSizes: [128, 64],
        rates: [0.1],
      },
    });
    const asked = { seed: 1, asInSource: true, count: 9, data: "digits", options: { keep: 0.75 } };
    expect(settingsOf(description, asked)).toMatchObject({
      count: 9,
      batchSize: 1,
      learningRate: 0.001,
      asInSource: true,
      data: "digits",
      options: { units: 128, keep: 0.75, layer: "bilstm" },
    });
  });
});

describe("goals", () => {
  const goalWith = (wishes: Partial<Wishes>, of: RecipeDescription = description) => {
    const goal = goalOf(of, settingsOf(of, { seed: 1, ...wishes }));
    return goal === undefined ? "none" : goalText(goal);
  };

  it("are the source's own with its settings", () => {
    expect(goalWith({})).toBe("step accuracy ≥ 0.96");
    expect(goalWith({ asInSource: true })).toBe("step accuracy ≥ 0.93");
  });

  it("may hang on options, and there may be none", () => {
    const figure = { figure: "stepAccuracy", bound: "at least" } as const;
    const lstm = { ...figure, value: 0.9, where: { layer: "lstm" } } as const;
    const small = { ...figure, value: 0.8, where: { layer: "bilstm", lstmSizes: [4, 2] } } as const;
    const both = { ...description, goal: [lstm, small], source: { ...description.source, goal: [] } };
    expect(goalWith({}, both)).toBe("step accuracy ≥ 0.9");
    expect(goalWith({ options: { layer: "bilstm", lstmSizes: [4, 2] } }, both)).toBe("step accuracy ≥ 0.8");
    expect(goalWith({ options: { layer: "bilstm" } }, both)).toBe("none");
    expect(goalWith({ asInSource: true }, both)).toBe("none");
    expect(goalsText(both.goal)).toBe(
      "step accuracy ≥ 0.9 (layer lstm); step accuracy ≥ 0.8 (layer bilstm, lstm-sizes 4,2)",
    );
    expectTypeOf<"gru">().not.toExtend<NonNullable<Goal<typeof options>["where"]>["layer"]>();
  });

  it("may be multiples of another figure", () => {
    const goal = { figure: "testError", bound: "at most", value: 1.05, times: "leastSquaresError" } as const;
    expect(goalText(goal)).toBe("test error ≤ 1.05 × least squares error");
  });
});
