import {
  type ConfigReader,
  type Fields,
  type Json,
  type JsonObject,
  namedIn,
  parseConfig,
} from "../config/config.js";
import {
  ambiguous,
  classNames,
  type Dialect,
  dialectOf,
  type KerasVersion,
  keras3,
  markedDialect,
  modernConfig,
  withoutTuples,
} from "../config/keras.js";
import { checkOptions, namesOf, nearestName, RondoError, valueText } from "../errors.js";
import { ActivationLayer } from "./activation.js";
import { ELU, LeakyReLU, ReLU, Softmax } from "./activationLayers.js";
import { Component, type Definition } from "./component.js";
import { Conv1D, Conv2D } from "./conv.js";
import { CRF } from "./crf.js";
import { Dense } from "./dense.js";
import { Dropout } from "./dropout.js";
import { Embedding } from "./embedding.js";
import { Flatten, Reshape } from "./flatten.js";
import { InputLayer } from "./inputLayer.js";
import { Lambda, type LambdaFunction } from "./lambda.js";
import { Layer } from "./layer.js";
import { Masking } from "./masking.js";
import { Add, Average, Concatenate, Dot, Maximum, Minimum, Multiply, Subtract } from "./merging.js";
import { BatchNormalization, LayerNormalization, UnitNormalization } from "./normalization.js";
import {
  Cropping2D,
  GlobalAveragePooling2D,
  GlobalMaxPooling2D,
  UpSampling1D,
  UpSampling2D,
  ZeroPadding2D,
} from "./pixels.js";
import { GlobalAveragePooling1D, GlobalMaxPooling1D } from "./pooling.js";
import { Bidirectional } from "./recurrent/bidirectional.js";
import { GRUCell } from "./recurrent/cells/gru.js";
import { LSTMCell } from "./recurrent/cells/lstm.js";
import { SimpleRNNCell } from "./recurrent/cells/simple.js";
import { ConvLSTM1D, ConvLSTM2D } from "./recurrent/convLstm.js";
import { RNN } from "./recurrent/generic.js";
import { GRU, LSTM, SimpleRNN } from "./recurrent/layers.js";
import { StackedRNNCells } from "./recurrent/stacked.js";
import { ActivityRegularization, GaussianNoise, SpatialDropout1D } from "./regularization.js";
import { Cropping1D, Permute, RepeatVector, ZeroPadding1D } from "./reshaping.js";
import { TimeDistributed } from "./timeDistributed.js";
import {
  AveragePooling1D,
  AveragePooling2D,
  MaxPooling1D,
  MaxPooling2D,
  MaxPooling3D,
} from "./windowPooling.js";

/** A class of layers or cells that configuration files can name; it is made with its options alone. */
export interface ComponentClass {
  readonly definition: Definition<Fields>;
  new (options: never): Component;
}

/** The built-in classes by their names in Keras, and those that Keras has not by the names that files give them. */
export const componentClasses: Readonly<Record<string, ComponentClass>> = {
  InputLayer,
  Dense,
  Embedding,
  Activation: ActivationLayer,
  Dropout,
  Flatten,
  Reshape,
  Masking,
  SimpleRNN,
  LSTM,
  GRU,
  RNN,
  Bidirectional,
  SimpleRNNCell,
  LSTMCell,
  GRUCell,
  StackedRNNCells,
  TimeDistributed,
  Lambda,
  RepeatVector,
  Permute,
  ZeroPadding1D,
  Cropping1D,
  Add,
  Subtract,
  Multiply,
  Average,
  Maximum,
  Minimum,
  Concatenate,
  Dot,
  GlobalMaxPooling1D,
  GlobalAveragePooling1D,
  LeakyReLU,
  ELU,
  ReLU,
  Softmax,
  GaussianNoise,
  SpatialDropout1D,
  ActivityRegularization,
  BatchNormalization,
  LayerNormalization,
  UnitNormalization,
  Conv1D,
  Conv2D,
  MaxPooling1D,
  MaxPooling2D,
  MaxPooling3D,
  AveragePooling1D,
  AveragePooling2D,
  GlobalMaxPooling2D,
  GlobalAveragePooling2D,
  ZeroPadding2D,
  Cropping2D,
  UpSampling1D,
  UpSampling2D,
  ConvLSTM1D,
  ConvLSTM2D,
  "rondo>CRF": CRF,
};

/** What a configuration may mention besides the built-in classes, by name. */
export type CustomObjects = Readonly<Record<string, ComponentClass | LambdaFunction>>;

/** How a configuration is to be read. */
export interface ConfigOptions {
  /**
   * The version of Keras that wrote it, as its file says: `"3.6.0"`, `"2.2.4-tf"`, or shorter: 2. Default: Keras 3. It
   * settles which function hard_sigmoid is (`hardSigmoidKeras2` before 3), and resetAfter of a GRU that does not say it
   * (false before TensorFlow 2: "2.0" to "2.3", not "2.3.0-tf").
   */
  readonly kerasVersion?: KerasVersion;
}

/**
 * A layer from its form in a configuration file (`describe` writes it), of Keras 2 and 3. CuDNNLSTM and CuDNNGRU are
 * read as LSTM and GRU.
 *
 * @param json `{ class_name, config }`
 * @param custom classes of your own by class name, or by the name they are registered under in Keras; functions of
 *   lambdas by their registered names
 * @throws RondoError for an unknown class name (with the nearest), an unknown key, a value that is not allowed, and a
 *   configuration of an old Keras whose meaning hangs on a version that is not given
 */
export function layerFromConfig(json: Json, custom: CustomObjects = {}, options: ConfigOptions = {}): Layer {
  checkOptions("layerFromConfig", options, namesOf<ConfigOptions>({ kerasVersion: true }));
  return readLayer(json, "layerFromConfig", { ...options, custom, models: {} });
}

/** How a configuration is read that may hold models as layers. */
export interface LayerReading extends ConfigOptions {
  readonly custom: CustomObjects;
  /** What makes a model of its configuration, by the model's class name. */
  readonly models: Readonly<Record<string, (json: Json) => Layer>>;
}

/**
 * What `layerFromConfig` does, for models too, alone or within a wrapper.
 *
 * @param where what errors call the place of the configuration
 */
export function readLayer(json: Json, where: string, { kerasVersion, custom, models }: LayerReading): Layer {
  const told = dialectOf(kerasVersion, where);
  const made = componentFromConfig(withoutTuples(json), { custom, models, told }, where);
  if (made instanceof Layer) return made;
  throw new RondoError({
    where,
    received: `the cell ${made.className}`,
    expected: "a layer",
    fix: "Put the cell into an RNN layer",
  });
}

interface Reading extends Pick<LayerReading, "custom" | "models"> {
  readonly told: Dialect | undefined;
}

function componentFromConfig(json: Json, { custom, models, told }: Reading, where: string): Component {
  const { name, config } = namedIn(json);
  if (name === undefined) {
    throw new RondoError({
      where,
      received: `${valueText(json)} without a class name`,
      expected: "{ class_name, config }",
      fix: "Give the configuration that Keras, or describe, writes for a layer",
    });
  }
  const { own, builtIn, implied, registered } = classNames(json, name);
  const given = own.find((key) => Object.hasOwn(custom, key));
  const rondos = own.find((key) => key.startsWith("rondo>"));
  const className = given ?? builtIn ?? rondos ?? name;
  const model = given === undefined && Object.hasOwn(models, className) ? models[className] : undefined;
  if (model !== undefined && builtIn !== undefined) return model(json);
  const classes: CustomObjects = given === undefined ? componentClasses : custom;
  const reachable = given !== undefined || builtIn !== undefined || rondos !== undefined;
  const found = reachable && Object.hasOwn(classes, className) ? classes[className] : undefined;
  if (found === undefined) {
    const nearest = nearestName(className, Object.keys({ ...componentClasses, ...custom }));
    const entry = /^\w+$/.test(own[0]) ? own[0] : `${JSON.stringify(own[0])}: ${own.at(-1)}`;
    throw new RondoError({
      where,
      received: `the unknown layer class "${name}"`,
      expected: "one of Rondo's, or one that is given",
      fix: `${nearest === undefined ? "" : `Did you mean "${nearest}"? `}Give a class of your own in custom: { ${entry} }`,
    });
  }
  if (!("definition" in found) || found.definition === undefined) {
    throw new RondoError({
      where,
      received: `the class ${className} without a definition`,
      expected: "one that keeps its definition",
      fix: `Add to the class: static definition = defineLayer("${className}", { … })`,
    });
  }
  const { fields } = found.definition;
  const marked = told ?? markedDialect(config ?? {});
  const dialect = marked ?? keras3;
  const reader: ConfigReader = {
    component: (inner, from) => componentFromConfig(inner, { custom, models, told: marked }, from),
    hardSigmoid(from) {
      if (dialect.hardSigmoid === undefined) throw ambiguous(from, "hard_sigmoid");
      return dialect.hardSigmoid;
    },
    registered: (name) => (Object.hasOwn(custom, name) ? custom[name] : undefined),
  };
  const modern = modernConfig(className, { ...implied, ...config }, dialect, "resetAfter" in fields);
  const options = parseConfig(fields, modern, reader, className);
  const { rondo } = Object(json) as JsonObject;
  const made: unknown = Reflect.construct(found, [{ ...options, ...(rondo as JsonObject | undefined) }]);
  if (made instanceof Component) {
    if (given !== undefined && registered !== undefined) made.keepRegistered(registered);
    return made;
  }
  throw new Error(`${className} is not a class of layers or cells`);
}
