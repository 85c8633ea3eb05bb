import { describe, expect, it } from "vitest";
import { refusal } from "../../tests/arrays.js";
import { camelCase, type Json, parseConfig, readOptions, snakeCase, writeConfig } from "./config.js";
import { choice, flag, fraction, real, seed, size } from "./fields.js";

const fields = {
  units: size,
  dropout: fraction(0.25),
  backwards: flag(false),
  value: real(0),
  mode: choice("a", ["a", "b"]),
  seed,
};
const reader = {
  component: () => {
    throw new Error("nothing is nested here");
  },
  hardSigmoid: () => "hardSigmoid" as const,
};
describe("names", () => {
  it.each([
    ["returnSequences", "return_sequences"],
    ["LSTM", "lstm"],
    ["SimpleRNN", "simple_rnn"],
    ["LSTMCell", "lstm_cell"],
    ["StackedRNNCells", "stacked_rnn_cells"],
    ["relu6", "relu6"],
  ])("%s is %s in Keras", (name, snake) => {
    expect(snakeCase(name)).toBe(snake);
  });

  it("come back from Keras", () => {
    for (const name of ["returnSequences", "kernelInitializer", "hardSigmoid", "relu6"]) {
      expect(camelCase(snakeCase(name))).toBe(name);
    }
  });
});

describe("readOptions", () => {
  it("checks what is given and fills in the rest", () => {
    const settings = readOptions(fields, { units: 3, mode: "b" }, "thing");
    expect(settings).toEqual({ units: 3, dropout: 0.25, backwards: false, value: 0, mode: "b", seed: null });
  });

  it.each([
    [{}, "thing: received no units, expected the option units. Add units to the options."],
    [{ unit: 3 }, 'Did you mean "units"?'],
    [
      { units: 0 },
      "thing: received units: 0, expected a whole number of at least 1. Set units to a whole number of at least 1.",
    ],
    [{ units: 2.5 }, "received units: 2.5"],
    [{ units: "3" }, 'received units: "3"'],
    [{ units: 3, dropout: 1 }, "received dropout: 1, expected a fraction from 0 to below 1"],
    [{ units: 3, backwards: 1 }, "expected true or false"],
    [{ units: 3, mode: "c" }, 'the unknown mode "c"'],
    [{ units: 3, seed: 0.5 }, "expected a whole number or null"],
    [{ units: {} }, "received units: an object"],
    [{ units: [3, null] }, "received units: [3, null]"],
    [{ units: 3, value: "0" }, 'received value: "0", expected a number'],
    [undefined, "thing: received no units, expected the option units"],
    [null, "thing: received null for its options, expected an object"],
    [3, "thing: received 3 for its options, expected an object. Write for example { units: … }"],
  ])("refuses %j", (options, message) => {
    expect(refusal(() => readOptions(fields, options as object, "thing")).message).toContain(message);
  });
});

describe("configurations", () => {
  it("make the round trip", () => {
    const settings = readOptions(fields, { units: 3, dropout: 0.5, value: Number.NaN, seed: 7 }, "thing");
    const config = writeConfig(fields, settings, "thing");
    expect(config).toEqual({ units: 3, dropout: 0.5, backwards: false, value: "NaN", mode: "a", seed: 7 });
    const options = parseConfig(fields, JSON.parse(JSON.stringify(config)), reader, "thing");
    expect(readOptions(fields, options, "thing")).toEqual(settings);
  });

  it("may hold Keras's keys that ask for nothing else", () => {
    const policy = { module: "keras", class_name: "DTypePolicy", config: { name: "float32" } };
    const config = { units: 3, kernel_regularizer: null, sparse: false, dtype: policy };
    expect(parseConfig(fields, config, reader, "thing")).toEqual({ units: 3 });
  });

  it.each([null, "abc", "", true])("may not hold %j for a number", (value) => {
    const options = parseConfig(fields, { units: 3, value }, reader, "thing");
    expect(refusal(() => readOptions(fields, options, "thing")).expected).toBe("a number");
  });

  it.each<[string, Json, string]>([
    ["dropuot", 0.5, 'the unknown configuration key "dropuot"'],
    ["kernel_regularizer", { class_name: "L2" }, "Rondo has no regularizer there"],
    ["bias_constraint", { class_name: "NonNeg" }, "Rondo has no constraint there"],
    ["dtype", "float16", "Rondo has float32 alone"],
    ["dtype", { class_name: "DTypePolicy", config: { name: "mixed_float16" } }, "Rondo has float32 alone"],
    ["dtype", { class_name: "Own", config: { name: "own", compute: "float32" } }, "Rondo has float32 alone"],
    ["time_major", true, "Rondo has sequences of [batch, time, ..] alone"],
    ["data_format", "channels_first", "(channels_last)"],
    ["lora_rank", 4, "neither quantization nor LoRA"],
    ["quantization_config", { class_name: "Int8" }, "neither quantization nor LoRA"],
    ["ragged", true, "dense arrays alone"],
  ])("may not hold %s: %j", (key, value, message) => {
    const { received, expected } = refusal(() =>
      parseConfig(fields, { units: 3, [key]: value }, reader, "thing"),
    );
    expect(`${received} ${expected}`).toContain(`configuration key "${key}"`);
    expect(`${received} ${expected}`).toContain(message);
  });
});
