import { describe, expect, it } from "vitest";
import { refusal } from "../../tests/arrays.js";
import {
  describe as describeComponent,
  initializers,
  type Json,
  type Layer,
  layerFromConfig,
  layers,
} from "./index.js";
import { floats } from "./layer.js";

const examples: readonly Layer[] = [
  layers.inputLayer({ shape: [null, 3] }),
  layers.dense({ units: 3, activation: "hardSigmoid", useBias: false, name: "out" }),
  layers.activation({ activation: { name: "relu", maxValue: 6, negativeSlope: 0.1 } }),
  layers.dropout({ rate: 0.5, noiseShape: [null, 1, null], seed: 3 }),
  layers.flatten(),
  layers.reshape({ targetShape: [2, -1] }),
  layers.masking({ maskValue: Number.NaN }),
  layers.simpleRNN({ units: 3, activation: "relu", returnSequences: true }),
  layers.lstm({
    units: 3,
    dropout: 0.1,
    recurrentDropout: 0.2,
    unitForgetBias: false,
    seed: 1,
    trainable: false,
  }),
  layers.gru({ units: 3, resetAfter: false, recurrentInitializer: initializers.orthogonal({ gain: 2 }) }),
  layers.rnn({ cell: layers.lstmCell({ units: 2 }), goBackwards: true, stateful: true }),
  layers.rnn({ cell: [layers.gruCell({ units: 2 }), layers.simpleRNNCell({ units: 4 })], returnState: true }),
  layers.bidirectional({ layer: layers.lstm({ units: 3, name: "inner" }), mergeMode: null }),
  layers.bidirectional({
    layer: layers.gru({ units: 3 }),
    backwardLayer: layers.gru({ units: 5, goBackwards: true, activation: "relu" }),
  }),
];

describe("configurations", () => {
  it.each(examples.map((layer) => [layer.className, layer] as const))(
    "%s makes the round trip",
    (_name, layer) => {
      const json = JSON.parse(JSON.stringify(describeComponent(layer)));
      const back = layerFromConfig(json);
      expect(back.className).toBe(layer.className);
      expect(JSON.parse(JSON.stringify(describeComponent(back)))).toEqual(json);
      const shape = layer.className === "Dense" ? [2, 4] : [2, 6, 4];
      const built = (x: Layer) => {
        x.build(floats(shape));
        return x.weights().map(({ name, shape: s, trainable }) => [name, s, trainable]);
      };
      expect(built(back)).toEqual(built(layer));
    },
  );

  it("have Keras's keys", () => {
    expect(layers.lstm({ units: 64, returnSequences: true }).config()).toEqual({
      name: null,
      trainable: true,
      dtype: "float32",
      return_sequences: true,
      return_state: false,
      go_backwards: false,
      stateful: false,
      zero_output_for_mask: false,
      unroll: false,
      units: 64,
      activation: "tanh",
      recurrent_activation: "sigmoid",
      use_bias: true,
      kernel_initializer: {
        module: "keras.initializers",
        class_name: "GlorotUniform",
        config: { seed: null },
        registered_name: null,
      },
      recurrent_initializer: {
        module: "keras.initializers",
        class_name: "Orthogonal",
        config: { gain: 1, seed: null },
        registered_name: null,
      },
      bias_initializer: {
        module: "keras.initializers",
        class_name: "Zeros",
        config: {},
        registered_name: null,
      },
      unit_forget_bias: true,
      dropout: 0,
      recurrent_dropout: 0,
      seed: null,
      kernel_regularizer: null,
      recurrent_regularizer: null,
      bias_regularizer: null,
      activity_regularizer: null,
      kernel_constraint: null,
      recurrent_constraint: null,
      bias_constraint: null,
    });
    expect(layers.inputLayer({ shape: [null, 3] }).config()).toEqual({
      batch_shape: [null, null, 3],
      dtype: "float32",
      name: null,
    });
    const both = layers.bidirectional({ layer: layers.lstm({ units: 3 }) }).config();
    expect(both).toMatchObject({
      merge_mode: "concat",
      layer: { class_name: "LSTM", config: { name: "forward_lstm", go_backwards: false } },
      backward_layer: { class_name: "LSTM", config: { name: "backward_lstm", go_backwards: true } },
    });
  });

  it("of Keras are read", () => {
    // As Keras 3 writes an LSTM, shortened by the fields that have their defaults.
    const layer = layerFromConfig({
      module: "keras.layers",
      class_name: "LSTM",
      config: {
        name: "lstm_1",
        trainable: true,
        dtype: {
          module: "keras",
          class_name: "DTypePolicy",
          config: { name: "float32" },
          registered_name: null,
        },
        return_sequences: true,
        zero_output_for_mask: false,
        unroll: false,
        units: 5,
        activation: "hard_sigmoid",
        kernel_initializer: {
          module: "keras.initializers",
          class_name: "HeNormal",
          config: { seed: null },
          registered_name: null,
        },
        kernel_regularizer: null,
        activity_regularizer: null,
        kernel_constraint: null,
      },
      registered_name: null,
      build_config: { input_shape: [null, 28, 28] },
    });
    expect(layer.name).toBe("lstm_1");
    expect(layer.config()).toMatchObject({ units: 5, activation: "hard_sigmoid", return_sequences: true });
  });

  it.each<[Json, string]>([
    [null, "null without a class name"],
    ["", 'the unknown layer class ""'],
    [{ class_name: 3 }, "an object without a class name"],
    [{ class_name: "Bare" }, "the class Bare without a definition"],
  ])("that are %j are refused", (json, received) => {
    class Bare {}
    expect(refusal(() => layerFromConfig(json, { Bare: Bare as never })).received).toBe(received);
  });

  it("of unknown classes name the nearest", () => {
    const error = refusal(() => layerFromConfig({ class_name: "Lstm2", config: {} }));
    expect([error.received, error.fix]).toEqual([
      'the unknown layer class "Lstm2"',
      'Did you mean "LSTM"? Give a class of your own in custom: { Lstm2 }',
    ]);
    const own = { module: "mine", class_name: "Scale", config: {}, registered_name: "mine>Scale" };
    expect(refusal(() => layerFromConfig(own)).fix).toBe(
      'Give a class of your own in custom: { "mine>Scale": Scale }',
    );
    expect(refusal(() => layerFromConfig({ class_name: "LSTMCell", config: { units: 2 } })).received).toBe(
      "the cell LSTMCell",
    );
    expect(
      refusal(() => layerFromConfig({ class_name: "LSTM", config: { units: 2, activtion: "relu" } })).fix,
    ).toBe('Did you mean "activation"?');
  });
});
