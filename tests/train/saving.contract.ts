import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readKerasFile, writeKerasFile } from "../../src/formats/kerasFile.js";
import type { SymbolicTensor } from "../../src/graph/ir.js";
import { mul } from "../../src/graph/ops/elementwise.js";
import {
  type Backend,
  defineLayer,
  functional,
  input,
  type JsonObject,
  Layer,
  layers,
  loadModel,
  losses,
  type Optimizer,
  optimizers,
  schedules,
  sequential,
  Tensor,
} from "../../src/index.js";
import type { Inputs } from "../../src/layers/layer.js";
import { uniform } from "../golden/load.js";

const { lstm, gru, dense, bidirectional, masking, dropout } = layers;

const halveDefinition = defineLayer("Halve", {});
/** A layer of one's own. */
class Halve extends Layer {
  static readonly definition = halveDefinition;
  constructor(options: object = {}) {
    super(halveDefinition, options);
  }
  override call([x]: Inputs) {
    return mul(x, 0.5);
  }
}

const random = (shape: readonly number[], seed = 1) =>
  new Tensor(
    uniform(
      seed,
      shape.reduce((n, d) => n * d, 1),
    ),
    shape,
    "float32",
  );

/** Files of models on any backend. */
export function savingContract(make: () => Promise<Backend>): void {
  let backend: Backend;
  let folder: string;
  beforeAll(async () => {
    backend = await make();
    folder = await mkdtemp(join(tmpdir(), "rondo-"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  describe("files of models", () => {
    const tagger = () =>
      sequential(
        [
          masking({ maskValue: Number.NaN, inputShape: [null, 3] }),
          bidirectional({ layer: lstm({ units: 4, returnSequences: true }) }),
          dropout({ rate: 0.3 }),
          gru({ units: 3 }),
          dense({ units: 2, activation: "softmax" }),
        ],
        { backend, seed: 7 },
      );

    it("give the same predictions, and go on with the same draws and orders", async () => {
      const [x, y] = [random([8, 5, 3]), Int32Array.from([0, 1, 1, 0, 1, 0, 0, 1])];
      const options = { optimizer: "sgd", loss: "sparseCategoricalCrossentropy" } as const;
      const model = tagger();
      model.compile(options);
      await model.fit(x, y, { epochs: 2, batchSize: 3, verbose: 0 });
      const loaded = await loadModel(await model.save(), { backend });
      expect(await loaded.predict(x)).toEqual(await model.predict(x));
      const histories = [model, loaded].map((m) =>
        (m as typeof loaded).fit(x, y, { epochs: 4, initialEpoch: 2, batchSize: 3, verbose: 0 }),
      );
      const [a, b] = await Promise.all(histories);
      expect(b?.history).toEqual(a?.history);
    });

    it.each<[string, () => Optimizer]>([
      ["SGD", () => optimizers.sgd({ learningRate: 0.1, momentum: 0.9 })],
      ["RMSprop", () => optimizers.rmsprop({ momentum: 0.5, centered: true })],
      ["Adagrad", () => optimizers.adagrad()],
      ["Adadelta", () => optimizers.adadelta({ learningRate: 1 })],
      ["Adam", () => optimizers.adam({ amsgrad: true, clipNorm: 1 })],
      ["AdamW with a moving average", () => optimizers.adamW({ useEma: true, emaOverwriteFrequency: 3 })],
      ["Adamax with accumulation", () => optimizers.adamax({ gradientAccumulationSteps: 3 })],
      ["Nadam", () => optimizers.nadam()],
      [
        "Adam under a schedule",
        () =>
          optimizers.adam({
            learningRate: schedules.cosineDecay({ initialLearningRate: 0.1, decaySteps: 9 }),
          }),
      ],
    ])("go on in the same bits under %s", async (_, optimizer) => {
      const [x, y] = [random([7, 5, 3]), Int32Array.from([0, 1, 1, 0, 1, 0, 0])];
      const model = tagger();
      model.compile({ optimizer: optimizer(), loss: "sparseCategoricalCrossentropy", metrics: ["accuracy"] });
      for (let i = 0; i < 5; i++) await model.trainOnBatch(x, y);
      const loaded = await loadModel(await model.save(), { backend });
      expect(loaded.learningRate).toBeCloseTo(model.learningRate, 7);
      expect(loaded.metricsNames).toEqual(model.metricsNames);
      for (let i = 0; i < 4; i++)
        expect(await loaded.trainOnBatch(x, y)).toEqual(await model.trainOnBatch(x, y));
      expect((await loaded.getWeights()).map((w) => w.array())).toEqual(
        (await model.getWeights()).map((w) => w.array()),
      );
    });

    it("hold losses, weights and metrics by output", async () => {
      const x = input({ shape: [3], name: "x" });
      const model = functional({
        inputs: x,
        outputs: { a: dense({ units: 2 }).apply(x), b: dense({ units: 1 }).apply(x) },
        backend,
        seed: 1,
      });
      model.compile({
        optimizer: optimizers.adam({ gradientAccumulationSteps: 3 }),
        loss: { a: "meanSquaredError", b: losses.huber({ delta: 2 }) },
        lossWeights: { b: 0.5 },
        metrics: { a: ["meanAbsoluteError"] },
      });
      const data = [random([4, 3]), { a: random([4, 2], 2), b: random([4, 1], 3) }] as const;
      await model.trainOnBatch(...data);
      const loaded = await loadModel(await model.save(), { backend });
      expect(loaded.metricsNames).toEqual(["loss", "a_loss", "b_loss", "a_meanAbsoluteError"]);
      for (let i = 0; i < 4; i++)
        expect(await loaded.trainOnBatch(...data)).toEqual(await model.trainOnBatch(...data));
      expect((await loaded.getWeights()).map((w) => w.array())).toEqual(
        (await model.getWeights()).map((w) => w.array()),
      );
      const bare = await loadModel(await model.save(), { backend, compile: false });
      expect(() => bare.metricsNames).toThrow("Call compile first");
    });

    it("are as the model was when it was called", async () => {
      const model = tagger();
      const [x, y] = [random([4, 5, 3]), Int32Array.from([0, 1, 1, 0])];
      model.compile({ optimizer: "sgd", loss: "sparseCategoricalCrossentropy" });
      await model.trainOnBatch(x, y);
      const before = await model.getWeights();
      const saving = model.save();
      const training = model.trainOnBatch(x, y);
      const loaded = await loadModel(await saving, { backend });
      await training;
      expect((await loaded.getWeights()).map((w) => w.array())).toEqual(before.map((w) => w.array()));
    });

    it("hold graphs, nested models, shared layers and states by name", async () => {
      const words = input({ shape: [null, 3], name: "words" });
      const other = input({ shape: [5], name: "other" });
      const [, ...states] = lstm({ units: 2, returnState: true }).apply(words);
      const decoded = lstm({ units: 2, returnSequences: true }).apply(words, {
        initialState: states,
      });
      const inner = sequential([dense({ units: 5, inputShape: [5] }), dense({ units: 5 })], {
        name: "inner",
      });
      const model = functional({
        inputs: { words, other },
        outputs: { decoded, twice: inner.apply(inner.apply(other)) },
        backend,
        seed: 2,
      });
      const path = join(folder, "graph.keras");
      const bytes = await model.save(path);
      expect(new Uint8Array(await readFile(path))).toEqual(bytes);
      expect(await model.save()).toEqual(bytes);
      const loaded = await loadModel(path, { backend });
      const x = { words: random([2, 4, 3]), other: random([2, 5]) };
      expect(await loaded.predict(x)).toEqual(await model.predict(x));
      expect(loaded.weightNames()).toEqual(model.weightNames());
      const blob = new Blob([bytes]);
      expect((await loadModel(blob, { backend })).config()).toEqual(model.config());
    });

    it("go on in the same bits with three inputs, two outputs, a shared layer, a Lambda and a layer of one's own", async () => {
      const third = (x: SymbolicTensor) => mul(x, 1 / 3);
      const [a, b] = [input({ shape: [null, 3], name: "a" }), input({ shape: [null, 3], name: "b" })];
      const c = input({ shape: [4], name: "c" });
      const read = bidirectional({ layer: lstm({ units: 3, dropout: 0.2 }) });
      const both = layers.concatenate().apply([read.apply(a), read.apply(b), new Halve().apply(c)]);
      const scaled = layers.lambda({ call: third, registeredName: "third" }).apply(both);
      const model = functional({
        inputs: { a, b, c },
        outputs: {
          topic: dense({ units: 3, activation: "softmax" }).apply(dropout({ rate: 0.2 }).apply(scaled)),
          score: dense({ units: 1 }).apply(scaled),
        },
        backend,
        seed: 5,
      });
      model.compile({
        optimizer: optimizers.adam({ learningRate: 0.05 }),
        loss: { topic: "sparseCategoricalCrossentropy", score: "meanAbsoluteError" },
        lossWeights: { score: 0.3 },
        metrics: { topic: ["accuracy"] },
      });
      const x = { a: random([9, 4, 3]), b: random([9, 6, 3], 2), c: random([9, 4], 3) };
      const y = { topic: Int32Array.from({ length: 9 }, (_, i) => i % 3), score: random([9, 1], 4) };
      await model.fit(x, y, { epochs: 2, batchSize: 4, verbose: 0 });
      const custom = { Halve, third };
      const loaded = await loadModel(await model.save(), { backend, custom });
      const options = { epochs: 5, initialEpoch: 2, batchSize: 4, verbose: 0 } as const;
      expect((await loaded.fit(x, y, options)).history).toEqual((await model.fit(x, y, options)).history);
      expect(await loaded.predict(x)).toEqual(await model.predict(x));
    });

    it("are rebuilt from their configuration to the same bits", async () => {
      const model = tagger();
      const fresh = await loadModel(await tagger().save(), { backend });
      const x = random([3, 5, 3]);
      expect(await fresh.predict(x)).toEqual(await model.predict(x));
      const options = { optimizer: "adam", loss: "sparseCategoricalCrossentropy" } as const;
      const y = Int32Array.of(0, 1, 1);
      for (const m of [model, fresh]) (m as typeof fresh).compile(options);
      expect(await fresh.trainOnBatch(x, y)).toEqual(await model.trainOnBatch(x, y));
      expect(await fresh.trainOnBatch(x, y)).toEqual(await model.trainOnBatch(x, y));
    });

    it("take layers of one's own by an explicit registry", async () => {
      const model = sequential([dense({ units: 2, inputShape: [3] }), new Halve()], { backend });
      const bytes = await model.save();
      const x = random([2, 3]);
      const loaded = await loadModel(bytes, { backend, custom: { Halve } });
      expect(await loaded.predict(x)).toEqual(await model.predict(x));
      await expect(loadModel(bytes, { backend })).rejects.toThrow(
        'loadModel the file: config.json: received the unknown layer class "Halve", expected one of Rondo\'s, or one that is given. Give a class of your own in custom: { Halve }.',
      );
      const third = layers.lambda({
        call: (x) => mul(x, 1 / 3),
        registeredName: "mine>third",
        inputShape: [2],
      });
      await expect(loadModel(await sequential([third], { backend }).save(), { backend })).rejects.toThrow(
        'loadModel the file: Lambda: received the function "mine>third", which is not known, expected a function given under that name. Give it in custom: { "mine>third": (x) => … }.',
      );
    });

    /** The file of a model that was trained for a step, with another configuration of how it was compiled. */
    const compiledAs = async (config: JsonObject, kept: (variable: number) => boolean = () => true) => {
      const model = sequential([dense({ units: 2, inputShape: [3] })], { backend });
      model.compile({ optimizer: "adam", loss: "meanSquaredError" });
      await model.trainOnBatch(random([2, 3]), random([2, 2]));
      const { metadata, config: whole, groups } = await readKerasFile(await model.save());
      const compile_config = { ...(whole.compile_config as JsonObject), ...config };
      const variables = groups.get("optimizer")?.variables.filter((_, i) => kept(i)) ?? [];
      const changed = new Map(groups).set("optimizer", { variables });
      return writeKerasFile({ metadata, config: { ...whole, compile_config }, groups: changed });
    };
    const functionOf = (config: string) => ({
      module: "builtins",
      class_name: "function",
      config,
      registered_name: "function",
    });

    it("name losses and metrics that are functions of Keras", async () => {
      const metrics = ["log_cosh", "sparse_top_k_categorical_accuracy"].map(functionOf);
      const bytes = await compiledAs({ loss: functionOf("kl_divergence"), metrics });
      const { metricsNames } = await loadModel(bytes, { backend });
      expect(metricsNames).toEqual(["loss", "logCoshError", "sparseTopKCategoricalAccuracy"]);
      // Keras 2 names the function of a class beside it.
      const config = { reduction: "auto", name: "huber_loss", fn: "huber", delta: 2 };
      const loss = { module: "keras.losses", class_name: "Huber", config, registered_name: null };
      expect((await loadModel(await compiledAs({ loss }), { backend })).metricsNames).toEqual(["loss"]);
    });

    it.each<[string, JsonObject, string, ((variable: number) => boolean)?]>([
      ["a loss of one's own", { loss: functionOf("mine>error") }, 'the unknown loss "mine>error"'],
      ["a metric of one's own", { metrics: [functionOf("error")] }, 'the unknown metric "error"'],
      [
        "a function whose metric has the other sign",
        { metrics: [functionOf("cosine_similarity")] },
        "the function cosine_similarity as a metric",
      ],
      ["an optimizer that Rondo has not", { optimizer: "ftrl" }, 'the unknown optimizer "ftrl"'],
      ["the state of another optimizer", { optimizer: "sgd" }, "6 arrays of its optimizer"],
      [
        "a state of other shapes",
        { optimizer: { class_name: "RMSprop", config: { momentum: 0.5 } } },
        "an array of shape [3, 2] for velocity of its optimizer, expected shape [2]",
      ],
      ["the state of an optimizer of Keras 2", {}, "without its learning rate", (i) => i !== 1],
    ])("are loaded with compile: false where they have %s", async (_, config, received, kept) => {
      const bytes = await compiledAs(config, kept);
      await expect(loadModel(bytes, { backend })).rejects.toThrow(received);
      await expect(loadModel(bytes, { backend })).rejects.toThrow(
        "Load it with loadModel(path, { compile: false }), and compile it.",
      );
      const bare = await loadModel(bytes, { backend, compile: false });
      expect((await bare.predict(random([2, 3]))).shape).toEqual([2, 2]);
    });

    it("refuse what is none", async () => {
      await expect(loadModel(join(folder, "none.keras"))).rejects.toThrow("no such file");
      const bytes = await tagger().save();
      const truncated = join(folder, "truncated.keras");
      await writeFile(truncated, bytes.subarray(0, bytes.length - 100));
      await expect(loadModel(truncated)).rejects.toThrow("truncated");
      await expect(loadModel(new Uint8Array(40))).rejects.toThrow("expected a zip archive");
      const hdf5 = Uint8Array.of(0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a, 0);
      await expect(loadModel(hdf5)).rejects.toThrow(
        'tf_keras.models.load_model("model.h5").save("model.keras")',
      );
      await expect(loadModel(folder)).rejects.toThrow(
        `loadModel ${folder}: received a folder, such as a SavedModel of TensorFlow, expected a .keras file. Save a SavedModel again in Python with Keras 2, the package tf_keras: tf_keras.models.load_model("${folder}")`,
      );
      await expect(loadModel(new TextEncoder().encode('{"format":"layers-model"}'))).rejects.toThrow(
        'tensorflowjs.converters.load_keras_model("model.json").save("model.keras")',
      );
      await expect(loadModel(7 as never)).rejects.toThrow("expected a path, an address, bytes or a Blob");
      const damaged = bytes.slice();
      damaged[Math.floor(bytes.length / 2)] = (damaged[Math.floor(bytes.length / 2)] ?? 0) ^ 255;
      await expect(loadModel(damaged)).rejects.toThrow("checksum");
    });

    it("are read from an address too", async () => {
      const model = tagger();
      const bytes = await model.save();
      const server = createServer((request, response) => {
        response.writeHead(request.url === "/m.keras" ? 200 : 404).end(bytes);
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const { port } = server.address() as AddressInfo;
      const x = random([2, 5, 3]);
      const loaded = await loadModel(`http://127.0.0.1:${port}/m.keras`, { backend });
      expect(await loaded.predict(x)).toEqual(await model.predict(x));
      await expect(loadModel(new URL(`http://127.0.0.1:${port}/none`))).rejects.toThrow("status 404");
      await new Promise((resolve) => server.close(resolve));
    });

    it("leave nothing where they cannot be written", async () => {
      await expect(tagger().save(join(folder, "graph.keras", "below", "m.keras"))).rejects.toThrow(
        "a path with a file where a folder should be",
      );
      const own = sequential([dense({ units: 1, inputShape: [2], activation: (x) => x })], { backend });
      await expect(own.save(join(folder, "own.keras"))).rejects.toThrow("an activation that is a function");
      for (const path of ["m.h5", "m.keras.zip", "m"])
        await expect(tagger().save(join(folder, path))).rejects.toThrow("expected one that ends in .keras");
      await expect(tagger().save("runs.1/m.json")).rejects.toThrow(
        'save: received the path "runs.1/m.json", expected one that ends in .keras, the format that is written. Write save("runs.1/m.keras").',
      );
      await expect(tagger().saveWeights(join(folder, "m.h5"))).rejects.toThrow('m.safetensors")');
      await expect(tagger().save(folder as never)).rejects.toThrow("ends in .keras");
      await expect(tagger().save(new URL("file:///m.keras") as never)).rejects.toThrow('save("model.keras")');
      expect((await readdir(folder)).filter((name) => !/^(graph|truncated)\.keras$/.test(name))).toEqual([]);
    });

    it("hold weights by name", async () => {
      const model = tagger();
      const bytes = await model.saveWeights();
      const other = tagger();
      other.compile({ optimizer: "sgd", loss: "meanSquaredError" });
      await other.trainOnBatch(random([2, 5, 3]), random([2, 2]));
      await other.loadWeights(bytes);
      expect((await other.getWeights()).map((w) => w.array())).toEqual(
        (await model.getWeights()).map((w) => w.array()),
      );
      const less = sequential([dense({ units: 2, name: "dense", inputShape: [3] })], { backend });
      await expect(less.loadWeights(bytes)).rejects.toThrow("which the model has not");
      await less.loadWeights(bytes, { partial: true });
      expect((await less.getWeights())[0]?.array()).toEqual((await model.getWeights()).at(-2)?.array());
      const wider = sequential([dense({ units: 3, name: "dense", inputShape: [3] })], { backend });
      await expect(wider.loadWeights(bytes, { partial: true })).rejects.toThrow(
        "dense/kernel of shape [3, 2]",
      );
    });
  });
}
