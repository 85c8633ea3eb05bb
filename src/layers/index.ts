import { activation } from "./activation.js";
import { dense } from "./dense.js";
import { dropout } from "./dropout.js";
import { flatten, reshape } from "./flatten.js";
import { inputLayer } from "./inputLayer.js";
import { masking } from "./masking.js";
import { bidirectional } from "./recurrent/bidirectional.js";
import { GRUCell, type GRUCellOptions } from "./recurrent/cells/gru.js";
import { LSTMCell, type LSTMCellOptions } from "./recurrent/cells/lstm.js";
import { SimpleRNNCell, type SimpleRNNCellOptions } from "./recurrent/cells/simple.js";
import { rnn } from "./recurrent/generic.js";
import { gru, lstm, simpleRNN } from "./recurrent/layers.js";
import { StackedRNNCells, type StackedRNNCellsOptions } from "./recurrent/stacked.js";

/** The built-in layers and cells, each made from its options. */
export const layers = {
  inputLayer,
  dense,
  activation,
  dropout,
  flatten,
  reshape,
  masking,
  simpleRNN,
  lstm,
  gru,
  rnn,
  bidirectional,
  simpleRNNCell: (options: SimpleRNNCellOptions): SimpleRNNCell => new SimpleRNNCell(options),
  lstmCell: (options: LSTMCellOptions): LSTMCell => new LSTMCell(options),
  gruCell: (options: GRUCellOptions): GRUCell => new GRUCell(options),
  stackedRNNCells: (options: StackedRNNCellsOptions): StackedRNNCells => new StackedRNNCells(options),
};

export type { Field, Fields, Json, JsonObject, OptionsOf, SettingsOf } from "../config/config.js";
export * as fields from "../config/fields.js";
export type { Activation, ActivationLayer, ActivationName, ActivationOptions } from "./activation.js";
export { activations } from "./activations.js";
export {
  type Component,
  type Definition,
  describe,
  type Weight,
  type WeightContext,
} from "./component.js";
export { type CallOptions, DeclaredTensor, type LayerCall } from "./declared.js";
export type { Dense, DenseOptions, DenseRule } from "./dense.js";
export type { Dropout, DropoutOptions } from "./dropout.js";
export type {
  Flatten,
  FlattenOptions,
  FlattenRule,
  Reshape,
  ReshapeOptions,
  ReshapeRule,
} from "./flatten.js";
export { type Initializer, type InitializerName, initializers } from "./initializers.js";
export { declareInput, InputLayer, type InputLayerOptions, type InputOptions, input } from "./inputLayer.js";
export {
  type Applied,
  type ApplyOptions,
  batchShape,
  batchShapeText,
  type CallContext,
  callContext,
  type Declared,
  defineLayer,
  type Fit,
  floats,
  type Inputs,
  type InputTypes,
  Layer,
  type LayerFields,
  LayerNames,
  type LayerOptions,
  type LayerOutput,
} from "./layer.js";
export type { Masking, MaskingOptions, MaskingRule } from "./masking.js";
export {
  Bidirectional,
  type BidirectionalOptions,
  type BidirectionalRule,
  type MergeMode,
} from "./recurrent/bidirectional.js";
export { Cell, type CellFields, type CellOutput, defineCell } from "./recurrent/cell.js";
export type { RNN, RNNOptions, RNNRule } from "./recurrent/generic.js";
export type {
  GRU,
  GRUOptions,
  LSTM,
  LSTMOptions,
  RecurrentRule,
  SimpleRNN,
  SimpleRNNOptions,
  Told,
} from "./recurrent/layers.js";
export { Recurrent, type RecurrentFields } from "./recurrent/rnn.js";
export { type ComponentClass, type ConfigOptions, componentClasses, layerFromConfig } from "./registry.js";
export type {
  CheckedLayers,
  InputShape,
  Keeps,
  OutputOf,
  ShapeError,
  ShapeRule,
  Sizes,
} from "./types.js";
export type {
  GRUCell,
  GRUCellOptions,
  LSTMCell,
  LSTMCellOptions,
  SimpleRNNCell,
  SimpleRNNCellOptions,
  StackedRNNCells,
  StackedRNNCellsOptions,
};
