import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { readKerasFile } from "../../src/formats/kerasFile.js";
import {
  functional,
  input,
  type JsonObject,
  layers,
  loadModel,
  sequential,
  Tensor,
} from "../../src/index.js";
import { known } from "../reference.js";
import { size } from "./load.js";

// Models that Keras saved, and what it answers from them; see generate_files.py.

const bytesOf = (name: string) => readFileSync(new URL(`files/${name}`, import.meta.url));
/** For each input or output: in their order, or by their names. */
type Each<T> = readonly T[] | Readonly<Record<string, T>>;
const answers: Readonly<
  Record<string, { readonly inputs: Each<readonly number[]>; readonly outputs: Each<readonly number[]> }>
> = JSON.parse(bytesOf("answers.json").toString());

/** sin(1.7 i + k) */
const wave = (shape: readonly number[], k: number) =>
  new Tensor(
    Float32Array.from({ length: size(shape) }, (_, i) => Math.sin(1.7 * i + k)),
    shape,
    "float32",
  );

type Loaded = Awaited<ReturnType<typeof loadModel>>;

/** The outputs of a model for waves of the given shapes, by their names. */
async function outputsOf(
  model: Loaded,
  shapes: Each<readonly number[]>,
): Promise<Record<string, readonly number[]>> {
  const names = Array.isArray(shapes) ? model.inputNames : Object.keys(shapes);
  const waves = Object.values(shapes).map((shape, i) => wave(shape, i + 1));
  const x = waves.length > 1 ? Object.fromEntries(names.map((name, i) => [name, waves[i]])) : waves[0];
  const given = (await model.predict(x as never)) as unknown as Tensor | Readonly<Record<string, Tensor>>;
  const outputs = given instanceof Tensor ? { "": given } : given;
  return Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name, Array.from(data)]));
}

describe.each(Object.entries(answers))("the model %s of Keras", (name, { inputs, outputs }) => {
  it("answers the same, and is saved with the same weights in the same places", async () => {
    const model = await loadModel(bytesOf(`${name}.keras`));
    const found = await outputsOf(model, inputs);
    const names = Array.isArray(outputs) ? model.outputNames : Object.keys(outputs);
    expect(names.map((key) => found[key]?.length)).toEqual(Object.values(outputs).map((y) => y.length));
    for (const [i, values] of Object.values(outputs).entries())
      for (const [k, value] of values.entries())
        expect(found[known(names[i], "name")]?.[k]).toBeCloseTo(value, 5);
    const [theirs, ours] = [
      await readKerasFile(bytesOf(`${name}.keras`)),
      await readKerasFile(await model.save()),
    ];
    const placesOf = ({ groups }: typeof theirs) =>
      [...groups].flatMap(([path, { variables }]) =>
        path === "optimizer" ? [] : [[path, variables] as const],
      );
    expect(new Map(placesOf(ours))).toEqual(new Map(placesOf(theirs)));
    const portsOf = ({ config }: typeof theirs) => {
      const { input_layers, output_layers } = config.config as JsonObject;
      return { input_layers, output_layers };
    };
    expect(portsOf(ours)).toEqual(portsOf(theirs));
    expect(await outputsOf(await loadModel(await model.save()), inputs)).toEqual(found);
  });
});

it("outputs of a list have names of their own, also where they are of one layer", async () => {
  const model = await loadModel(bytesOf("listed.keras"));
  expect(model.inputNames).toEqual(["right", "left"]);
  expect(model.outputNames).toEqual(["read", "read_1", "read_2", "topic", "score", "alike"]);
});

it("losses and metrics that are functions of Keras go by their names, for outputs by name and in lists", async () => {
  const named = await loadModel(bytesOf("named.keras"));
  const losses = ["loss", "topic_loss", "score_loss", "alike_loss"];
  expect(named.metricsNames).toEqual([...losses, "topic_meanAbsoluteError", "score_binaryAccuracy"]);
  const listed = await loadModel(bytesOf("listed.keras"));
  expect(listed.metricsNames).toEqual(["loss", "topic_loss", "alike_loss"]);
  const { config } = await readKerasFile(await listed.save());
  const compiled = config.compile_config as { readonly loss: readonly unknown[] };
  const [squared, absolute] = ["MeanSquaredError", "MeanAbsoluteError"].map((class_name) =>
    expect.objectContaining({ module: "keras.losses", class_name }),
  );
  expect(compiled.loss).toEqual([null, null, null, squared, null, absolute]);
});

it("a Keras file's calls train as the model does, whatever it notes of them", async () => {
  const file = await readKerasFile(bytesOf("nested.keras"));
  expect(JSON.stringify(file.config)).toContain('"training":false');
  const model = await loadModel(bytesOf("nested.keras"));
  const [x, y] = [wave([2, 3, 4, 2], 1), wave([2, 1], 2)];
  // The GRU of the model that is done with every step drops half of its input.
  const [tested] = await model.testOnBatch(x as never, y as never);
  const [trained] = await model.trainOnBatch(x as never, y as never);
  expect(Math.abs(trained - tested)).toBeGreaterThan(1e-3);
});

it("which call of a functional model is an output is counted as in Keras, from 1 on", async () => {
  const given = input({ shape: [3], name: "given" });
  const inner = functional({
    inputs: given,
    outputs: layers.dense({ units: 3 }).apply(given),
    name: "inner",
  });
  const x = input({ shape: [3], name: "x" });
  const once = inner.apply(x);
  const model = functional({ inputs: { x }, outputs: { once, twice: inner.apply(once) }, seed: 1 });
  expect(model.config().output_layers).toEqual({ once: ["inner", 1, 0], twice: ["inner", 2, 0] });
  const data = { x: wave([2, 3], 1) };
  expect(await (await loadModel(await model.save())).predict(data)).toEqual(await model.predict(data));
});

it("a model for every step may be for as many rows as the model around it has", async () => {
  // So Keras writes it where the number of rows is fixed.
  const inner = sequential([layers.inputLayer({ batchShape: [4, 5] }), layers.dense({ units: 2 })]);
  const model = sequential([
    layers.inputLayer({ batchShape: [4, 3, 5] }),
    layers.timeDistributed({ layer: inner }),
  ]);
  const [x, loaded] = [wave([4, 3, 5], 1), await loadModel(await model.save())];
  expect(loaded.config()).toEqual(model.config());
  const predicted = await model.predict(x);
  expect(predicted.shape).toEqual([4, 3, 2]);
  expect(await loaded.predict(x)).toEqual(predicted);
});
