import { describe, expect, it } from "vitest";
import { refusal } from "../../tests/arrays.js";
import {
  Cell,
  type CellFields,
  type ComponentClass,
  type ConfigOptions,
  defineCell,
  defineLayer,
  describe as describeComponent,
  type Json,
  type JsonObject,
  Layer,
  type LayerOptions,
  layerFromConfig,
  type OptionsOf,
} from "./index.js";

const policy = {
  module: "keras",
  class_name: "DTypePolicy",
  config: { name: "float32" },
  registered_name: null,
};
const read = (class_name: string, config: JsonObject, options?: ConfigOptions): Layer =>
  layerFromConfig({ class_name, config }, {}, options);
const written = (layer: Layer): JsonObject => layer.config();
const dense = (config: JsonObject): JsonObject => written(read("Dense", { units: 2, ...config }));

/** As Keras 2.2.4 writes it. */
const old = (config: JsonObject = {}): JsonObject => ({
  name: "lstm_1",
  trainable: true,
  batch_input_shape: [null, 28, 5],
  dtype: "float32",
  return_sequences: true,
  return_state: false,
  go_backwards: false,
  stateful: false,
  unroll: false,
  units: 3,
  activation: "tanh",
  recurrent_activation: "hard_sigmoid",
  use_bias: true,
  kernel_initializer: {
    class_name: "VarianceScaling",
    config: { scale: 1.0, mode: "fan_avg", distribution: "normal", seed: null },
  },
  recurrent_initializer: { class_name: "Orthogonal", config: { gain: 1.0, seed: null } },
  bias_initializer: { class_name: "Zeros", config: {} },
  kernel_regularizer: null,
  recurrent_constraint: null,
  dropout: 0.0,
  recurrent_dropout: 0.0,
  implementation: 1,
  ...config,
});

describe("initializers by every name that Keras resolves", () => {
  const classes: Readonly<Record<string, readonly string[]>> = {
    Constant: ["constant"],
    GlorotNormal: ["glorot_normal", "glorot_normalV2"],
    GlorotUniform: ["glorot_uniform", "GlorotUniformV2"],
    HeNormal: ["he_normal"],
    HeUniform: ["he_uniform", "he_uniformV2"],
    Identity: ["identity", "IdentityInitializer", "IdentityV2"],
    LecunNormal: ["lecun_normal"],
    LecunUniform: ["lecun_uniform"],
    Ones: ["ones", "one"],
    Orthogonal: ["orthogonal", "OrthogonalInitializer", "keras.initializers.Orthogonal"],
    RandomNormal: ["random_normal", "normal", "keras>RandomNormal"],
    RandomUniform: ["random_uniform", "uniform", "tf.keras.initializers.RandomUniform"],
    TruncatedNormal: ["truncated_normal"],
    VarianceScaling: ["variance_scaling", "VarianceScalingV2"],
    Zeros: ["zeros", "zero", "ZerosV2"],
  };
  const names = Object.entries(classes).flatMap(([name, aliases]) =>
    [name, ...aliases].map((alias) => [alias, name] as const),
  );
  it.each(names)("%s is %s", (alias, className) => {
    const forms: readonly Json[] = [alias, { class_name: alias, config: {} }];
    for (const kernel_initializer of forms) {
      expect(dense({ kernel_initializer }).kernel_initializer).toMatchObject({ class_name: className });
    }
  });

  it("keep what their configurations say", () => {
    const of = (class_name: string, config: JsonObject) =>
      dense({ kernel_initializer: { module: "keras.initializers", class_name, config } }).kernel_initializer;
    expect(of("OrthogonalInitializer", { gain: 2, seed: 3 })).toMatchObject({ config: { gain: 2, seed: 3 } });
    for (const distribution of ["normal", "truncated_normal", "NORMAL"]) {
      expect(of("VarianceScaling", { mode: "FAN_AVG", distribution })).toMatchObject({
        config: { mode: "fan_avg", distribution: "truncated_normal" },
      });
    }
    const seed = { module: "keras.random", class_name: "SeedGenerator", config: { seed: 5, name: "s" } };
    expect(of("GlorotUniform", { seed, input_axes: null, output_axes: null })).toMatchObject({
      config: { seed: 5 },
    });
    expect(of("GlorotUniform", { seed: 5, dtype: "float32" })).toMatchObject({ config: { seed: 5 } });
  });

  it("that are null are Keras's default for weights", () => {
    expect(dense({ bias_initializer: null }).bias_initializer).toMatchObject({ class_name: "GlorotUniform" });
  });

  it.each(["STFT", "Initializer", "V2", ""])("%j is refused", (kernel_initializer) => {
    expect(refusal(() => dense({ kernel_initializer })).received).toBe(
      `the unknown initializer "${kernel_initializer}"`,
    );
  });
});

describe("activations by every name that Keras resolves", () => {
  const names =
    "celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu linear log_sigmoid log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus sparse_sigmoid sparsemax squareplus swish tanh tanh_shrink";
  it.each(names.split(" "))("%s", (name) => {
    const ofModule = {
      module: "keras.activations",
      class_name: "function",
      config: name,
      registered_name: name,
    };
    const forms: readonly Json[] = [
      name,
      `keras.activations.${name}`,
      { class_name: "function", module: "builtins", config: name, registered_name: "function" },
      ofModule,
      { class_name: "Activation", config: { activation: name } },
    ];
    for (const activation of forms) expect(dense({ activation }).activation).toBe(name);
  });

  const layer = { name: "a", trainable: true, dtype: policy };
  it.each<[Json, Json]>([
    [null, "linear"],
    ["softmax_v2", "softmax"],
    [
      { module: "keras.layers", class_name: "LeakyReLU", config: { ...layer, negative_slope: 0.1 } },
      { class_name: "leaky_relu", config: { negative_slope: 0.1 } },
    ],
    [
      { class_name: "LeakyReLU", config: { ...layer, alpha: 0.3 } },
      { class_name: "leaky_relu", config: { negative_slope: 0.3 } },
    ],
    [
      { class_name: "ELU", config: { ...layer, alpha: 0.3 } },
      { class_name: "elu", config: { alpha: 0.3 } },
    ],
    [
      { class_name: "ReLU", config: { ...layer, max_value: 6, negative_slope: 0, threshold: 0 } },
      { class_name: "relu", config: { max_value: 6, negative_slope: 0, threshold: 0 } },
    ],
    [
      { class_name: "Softmax", config: { ...layer, axis: -1 } },
      { class_name: "softmax", config: { axis: -1 } },
    ],
  ])("%j is %j", (activation, json) => {
    expect(dense({ activation }).activation).toEqual(json);
  });

  it.each<[Json, string]>([
    [{ class_name: "__lambda__", config: { value: "4wE" } }, 'the unknown activation "__lambda__"'],
    [{ class_name: "PReLU", config: layer }, 'the unknown activation "PReLU"'],
    [{ value: ["4wE", null, null] }, "activation: an object"],
  ])("%j is refused", (activation, received) => {
    expect(refusal(() => dense({ activation })).received).toBe(received);
  });
});

describe("null where Keras takes it for no", () => {
  it.each([
    ["LSTM", "unit_forget_bias"],
    ["LSTM", "use_bias"],
    ["GRU", "go_backwards"],
    ["SimpleRNN", "zero_output_for_mask"],
  ])("%s %s", (className, key) => {
    expect(written(read(className, { units: 2, [key]: null }))[key]).toBe(false);
  });
  it("but not for a number", () => {
    expect(refusal(() => read("LSTM", { units: 2, dropout: null })).received).toBe("dropout: null");
  });
});

describe("hard_sigmoid is what it was in the version that wrote it", () => {
  it.each<[string | number, string]>([
    [1, "hard_sigmoid_keras2"],
    [2, "hard_sigmoid_keras2"],
    ["2.2.4", "hard_sigmoid_keras2"],
    ["2.2.4-tf", "hard_sigmoid_keras2"],
    ["2.15.0", "hard_sigmoid_keras2"],
    [3, "hard_sigmoid"],
    ["3.0.0", "hard_sigmoid"],
    ["3.15.1", "hard_sigmoid"],
  ])("%j", (kerasVersion, name) => {
    const lstm = read("LSTM", old(), { kerasVersion });
    expect(written(lstm).recurrent_activation).toBe(name);
    const activation = "hard_sigmoid";
    expect(written(read("Dense", { units: 1, activation }, { kerasVersion })).activation).toBe(name);
    const inner = { class_name: "LSTM", config: old() };
    const both = written(read("Bidirectional", { layer: inner }, { kerasVersion }));
    expect(both.layer).toMatchObject({ config: { recurrent_activation: name } });
  });

  it("without a version Keras 3's, and refused where the configuration is an old one", () => {
    const activation = "hard_sigmoid";
    expect(dense({ activation }).activation).toBe("hard_sigmoid");
    const error = refusal(() => read("LSTM", old()));
    expect(error.message).toBe(
      'LSTM: received hard_sigmoid in a configuration of an old Keras, expected its version, because the meaning has changed. Tell it as the file does: layerFromConfig(json, {}, { kerasVersion: "2.2.4" }).',
    );
    // The marks of the layer around a cell count for the cell.
    const cell = { class_name: "SimpleRNNCell", config: { units: 2, activation } };
    expect(() => read("RNN", { cell, time_major: false })).toThrow(
      "hard_sigmoid in a configuration of an old",
    );
    expect(written(read("LSTM", old({ recurrent_activation: "sigmoid" })))).toMatchObject({
      recurrent_activation: "sigmoid",
    });
  });

  it("and the function of Keras 2 keeps its name", () => {
    const name = "hard_sigmoid_keras2";
    for (const kerasVersion of [undefined, 2, 3]) {
      const options = kerasVersion === undefined ? {} : { kerasVersion };
      expect(written(read("Dense", { units: 1, activation: name }, options)).activation).toBe(name);
    }
  });

  it.each(["", "two", "v2", 0, true, null, {}])("%j is no version", (kerasVersion) => {
    const error = refusal(() => read("LSTM", old(), { kerasVersion: kerasVersion as string }));
    expect(error.expected).toBe("the version of Keras that wrote the configuration");
  });
});

describe("a GRU that does not say where its reset gate acts", () => {
  it.each<[string | number, boolean]>([
    [1, false],
    [2, false],
    ["2.0.9", false],
    ["2.3.1", false],
    ["2.2.4-tf", true],
    ["2.3.0-tf", true],
    ["2.4.0", true],
    ["2.15.0", true],
    [3, true],
  ])("of Keras %j has resetAfter: %s", (kerasVersion, resetAfter) => {
    expect(written(read("GRU", { units: 2 }, { kerasVersion })).reset_after).toBe(resetAfter);
    expect(written(read("GRU", { units: 2, reset_after: !resetAfter }, { kerasVersion })).reset_after).toBe(
      !resetAfter,
    );
    const cell = { class_name: "GRUCell", config: { units: 2 } };
    expect(written(read("RNN", { cell }, { kerasVersion })).cell).toMatchObject({
      config: { reset_after: resetAfter },
    });
  });
  it("is refused where it is an old one of an unknown version", () => {
    expect(written(read("GRU", { units: 2 })).reset_after).toBe(true);
    expect(refusal(() => read("GRU", { units: 2, implementation: 1 })).received).toBe(
      "a GRU without reset_after in a configuration of an old Keras",
    );
    expect(written(read("GRU", { units: 2, implementation: 1, reset_after: false })).reset_after).toBe(false);
  });
});

describe("layers as the versions of Keras wrote them", () => {
  it("batch_input_shape tells the input, also as a tuple", () => {
    const tuple = { class_name: "__tuple__", items: [8, 28, 5] };
    for (const whole of [[8, 28, 5], tuple, { class_name: "TensorShape", items: [8, 28, 5] }]) {
      const config = old({ batch_input_shape: whole as Json });
      const layer = read("LSTM", config, { kerasVersion: 2 });
      expect(layer.givenShape).toEqual([8, 28, 5]);
      expect(read("InputLayer", { batch_input_shape: whole as Json, sparse: false }).givenShape).toEqual([
        8, 28, 5,
      ]);
    }
    expect(read("LSTM", old(), { kerasVersion: 2 }).givenShape?.map(String)).toEqual(["B", "28", "5"]);
    const reshape = read("Reshape", { target_shape: { class_name: "__tuple__", items: [2, -1] } });
    expect(written(reshape).target_shape).toEqual([2, -1]);
  });

  it("inputs of single numbers", () => {
    expect(read("InputLayer", { batch_shape: [null], dtype: "float32" }).givenShape?.map(String)).toEqual([
      "B",
    ]);
    expect(written(read("InputLayer", { batch_shape: [null, 2], dtype: policy })).dtype).toBe("float32");
  });

  it.each([
    ["CuDNNLSTM", "LSTM"],
    ["UnifiedLSTM", "LSTM"],
    ["LSTMV1", "LSTM"],
    ["LSTMV2", "LSTM"],
    ["keras.layers.LSTM", "LSTM"],
    ["keras>LSTM", "LSTM"],
    ["CuDNNGRU", "GRU"],
    ["GRUV2", "GRU"],
  ])("%s is read as %s", (className, as) => {
    const bare = { units: 2, return_sequences: true, stateful: false, time_major: false };
    const config = { ...bare, kernel_initializer: { class_name: "GlorotUniform", config: { seed: null } } };
    const layer = read(className, config, { kerasVersion: "2.1.6-tf" });
    expect([layer.className, written(layer).recurrent_activation]).toEqual([as, "sigmoid"]);
    if (as === "GRU") expect(written(layer).reset_after).toBe(true);
  });

  it("CuDNNGRU has the reset gate after the product, whatever its version", () => {
    for (const options of [{}, { kerasVersion: "2.2.4" }]) {
      const layer = read("CuDNNGRU", { units: 2, time_major: false }, options);
      expect(written(layer).reset_after).toBe(true);
    }
  });

  it("Bidirectional without a backward layer", () => {
    const layer = { class_name: "LSTM", config: { units: 2, time_major: false, implementation: 2 } };
    const both = read("Bidirectional", { layer, backward_layer: null, merge_mode: "sum", dtype: "float32" });
    expect(written(both)).toMatchObject({
      merge_mode: "sum",
      backward_layer: { config: { go_backwards: true } },
    });
  });

  it("what asks for nothing is passed over", () => {
    const neutral = {
      implementation: 2,
      unroll: true,
      time_major: false,
      use_cudnn: "auto",
      quantization_config: null,
      lora_rank: null,
      activity_regularizer: null,
      input_dtype: "float32",
      autocast: true,
      dtype: { class_name: "Policy", config: { name: "float32" } },
      reset_after: true,
      zero_output_for_mask: true,
    };
    expect(written(read("GRU", { units: 2, ...neutral })).zero_output_for_mask).toBe(true);
  });
});

describe("classes of one's own", () => {
  class Mine extends Layer {
    static readonly definition = defineLayer("Mine", {});
    constructor(options: LayerOptions = {}) {
      super(Mine.definition, options);
    }
    override call = (x: never) => x;
  }
  const custom: Readonly<Record<string, ComponentClass>> = { Mine };
  it.each<JsonObject>([
    { class_name: "Mine" },
    { class_name: "pack>Mine" },
    { module: null, class_name: "Mine", registered_name: "pack>Mine" },
    { module: "my.module", class_name: "Mine", registered_name: "Mine" },
  ])("are found as %j", (json) => {
    expect(layerFromConfig({ ...json, config: {} }, custom)).toBeInstanceOf(Mine);
  });
  it("by the name they are registered under", () => {
    const json = { module: null, class_name: "LSTM", config: {}, registered_name: "pack>LSTM" };
    expect(layerFromConfig(json, { "pack>LSTM": Mine })).toBeInstanceOf(Mine);
  });
  class Named extends Layer {
    static readonly definition = defineLayer("Named", {}, { registeredName: "own>Named" });
    constructor(options: LayerOptions = {}) {
      super(Named.definition, options);
    }
    override call = (x: never) => x;
  }
  class Step extends Cell {
    static readonly definition = defineCell("Step", {}, { registeredName: "own>Step" });
    constructor(options: OptionsOf<CellFields> = {}) {
      super(Step.definition, options);
    }
    readonly stateShapes = [[2]];
    override call = (output: never) => ({ output, states: [output] });
  }
  const classOf = (json: unknown) => {
    const { module, class_name, registered_name } = json as JsonObject;
    return { module, class_name, registered_name };
  };
  const all = { Mine, Named, Step };

  it.each<[string, JsonObject, string]>([
    ["its class name", { class_name: "Mine" }, "Mine"],
    ["its definition", { class_name: "Named" }, "own>Named"],
    [
      "its definition, where the file says no more than the class",
      { module: "my.module", class_name: "Named", registered_name: "Named" },
      "own>Named",
    ],
    ["the file", { module: "my.module", class_name: "Named", registered_name: "pack>Other" }, "pack>Other"],
    ["the file of an old Keras", { class_name: "pack>Mine" }, "pack>Mine"],
  ])("are written under the name that tells %s", (_from, json, registered) => {
    const given = { ...json, config: {} };
    const written = describeComponent(layerFromConfig(given, all));
    expect(classOf(written)).toEqual({
      module: null,
      class_name: String(json.class_name).replace("pack>", ""),
      registered_name: registered,
    });
    const around = { class_name: "TimeDistributed", config: { layer: given } };
    const inner = layerFromConfig(around, all).config().layer;
    expect(classOf(inner)).toEqual(classOf(written));
    expect(describeComponent(layerFromConfig(written, all))).toEqual(written);
  });

  it.each<[string, JsonObject, string]>([
    ["its definition", { class_name: "Step" }, "own>Step"],
    ["the file", { module: "my", class_name: "Step", registered_name: "pack>Step" }, "pack>Step"],
  ])(
    "are written as cells, within wrappers that copy them, under the name that tells %s",
    (_from, json, registered) => {
      const cell = { ...json, config: {} };
      const layer = {
        class_name: "RNN",
        config: { cell: { class_name: "StackedRNNCells", config: { cells: [cell] } } },
      };
      const both = layerFromConfig({ class_name: "Bidirectional", config: { layer } }, all).config();
      for (const direction of [both.layer, both.backward_layer]) {
        expect(direction).toMatchObject({
          module: "keras.layers",
          registered_name: null,
          config: {
            cell: {
              module: "keras.layers",
              registered_name: null,
              config: { cells: [{ module: null, class_name: "Step", registered_name: registered }] },
            },
          },
        });
      }
    },
  );

  it.each<JsonObject>([
    { module: null, class_name: "LSTM", registered_name: "pack>LSTM" },
    { module: null, class_name: "LSTM", registered_name: "LSTM" },
    { module: "my.module", class_name: "LSTM", registered_name: null },
    { class_name: "pack>LSTM" },
  ])("are no built-in ones: %j", (json) => {
    expect(refusal(() => layerFromConfig({ ...json, config: { units: 2 } })).received).toContain(
      "the unknown layer class",
    );
  });
});
