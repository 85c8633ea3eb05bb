import { RondoError, unknownName, valueText } from "../errors.js";
import { ActivationLayer } from "./activation.js";
import { Component, type Definition } from "./component.js";
import { type Fields, type Json, namedIn, parseConfig } from "./config.js";
import { Dense } from "./dense.js";
import { Dropout } from "./dropout.js";
import { Flatten, Reshape } from "./flatten.js";
import { InputLayer } from "./inputLayer.js";
import { Layer } from "./layer.js";
import { Masking } from "./masking.js";
import { Bidirectional } from "./recurrent/bidirectional.js";
import { GRUCell } from "./recurrent/cells/gru.js";
import { LSTMCell } from "./recurrent/cells/lstm.js";
import { SimpleRNNCell } from "./recurrent/cells/simple.js";
import { RNN } from "./recurrent/generic.js";
import { GRU, LSTM, SimpleRNN } from "./recurrent/layers.js";
import { StackedRNNCells } from "./recurrent/stacked.js";

/** A class of layers or cells that configuration files can name; it is made with its options alone. */
export interface ComponentClass {
  readonly definition: Definition<Fields>;
  new (options: never): Component;
}

/** The built-in classes by their names in Keras. */
export const componentClasses: Readonly<Record<string, ComponentClass>> = {
  InputLayer,
  Dense,
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
};

/**
 * A layer from its form in a configuration file (`describe` writes it).
 *
 * @param json `{ class_name, config }`
 * @param custom classes of your own by class name
 * @throws RondoError for an unknown class name (with the nearest), an unknown key, or a value that is not allowed
 */
export function layerFromConfig(json: Json, custom: Readonly<Record<string, ComponentClass>> = {}): Layer {
  const made = componentFromConfig(json, custom, "layerFromConfig");
  if (made instanceof Layer) return made;
  throw new RondoError({
    where: "layerFromConfig",
    received: `the cell ${made.className}`,
    expected: "a layer",
    fix: "Put the cell into an RNN layer",
  });
}

function componentFromConfig(
  json: Json,
  custom: Readonly<Record<string, ComponentClass>>,
  where: string,
): Component {
  const { name, config } = namedIn(json);
  if (name === undefined) {
    throw new RondoError({
      where,
      received: `${valueText(json)} without a class name`,
      expected: "{ class_name, config }",
      fix: "Give the configuration that Keras, or describe, writes for a layer",
    });
  }
  const classes = { ...componentClasses, ...custom };
  const known = Object.keys(classes);
  const found = known.includes(name) ? classes[name] : undefined;
  if (found === undefined) throw unknownName(where, "layer class", name, known);
  if (found.definition === undefined) {
    throw new RondoError({
      where,
      received: `the class ${name} without a definition`,
      expected: "one that keeps its definition",
      fix: `Add to the class: static definition = defineLayer("${name}", { … })`,
    });
  }
  const reader = { component: (inner: Json, from: string) => componentFromConfig(inner, custom, from) };
  const options = parseConfig(found.definition.fields, config ?? {}, reader, name);
  const made: unknown = Reflect.construct(found, [options]);
  if (made instanceof Component) return made;
  throw new Error(`${name} is not a class of layers or cells`);
}
