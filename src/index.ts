/** Rondo's public surface, the same in Node and in browsers. */
export { type BatchesOptions, batches } from "./data/batches.js";
export { toCategorical } from "./data/labels.js";
export type { Dtype, NumericArray, TypedArray } from "./dtype.js";
export { type ErrorParts, RondoError } from "./errors.js";
export type { Dim, Shape } from "./graph/dim.js";
export type { SymbolicTensor } from "./graph/ir.js";
export * as ops from "./graph/public.js";
// What the makers return and take, so that a module of yours can export a layer.
export type {
  Activation,
  ActivationLayer,
  ActivationName,
  ActivationOptions,
  Applied,
  ApplyOptions,
  Bidirectional,
  BidirectionalOptions,
  BidirectionalRule,
  CallContext,
  CallOptions,
  CellFields,
  CellOutput,
  Declared,
  DeclaredTensor,
  Definition,
  Dense,
  DenseOptions,
  DenseRule,
  Dropout,
  DropoutOptions,
  Field,
  Fields,
  Fit,
  Flatten,
  FlattenOptions,
  FlattenRule,
  GRU,
  GRUCell,
  GRUCellOptions,
  GRUOptions,
  Initializer,
  InitializerName,
  InputLayer,
  InputLayerOptions,
  InputOptions,
  InputShape,
  Inputs,
  InputTypes,
  Json,
  JsonObject,
  Keeps,
  LayerFields,
  LayerOptions,
  LayerOutput,
  LSTM,
  LSTMCell,
  LSTMCellOptions,
  LSTMOptions,
  Masking,
  MaskingOptions,
  MaskingRule,
  MergeMode,
  OptionsOf,
  Recurrent,
  RecurrentFields,
  RecurrentRule,
  Reshape,
  ReshapeOptions,
  ReshapeRule,
  RNN,
  RNNOptions,
  RNNRule,
  ShapeError,
  ShapeRule,
  SimpleRNN,
  SimpleRNNCell,
  SimpleRNNCellOptions,
  SimpleRNNOptions,
  Sizes,
  StackedRNNCells,
  StackedRNNCellsOptions,
  Told,
  Weight,
  WeightContext,
} from "./layers/index.js";
export {
  activations,
  Cell,
  defineCell,
  defineLayer,
  fields,
  initializers,
  input,
  Layer,
  layerFromConfig,
  layers,
} from "./layers/index.js";
export {
  type DeclaredPorts,
  Functional,
  type FunctionalOptions,
  type FunctionalRule,
  functional,
  type NamesOf,
} from "./models/functional.js";
export { Model } from "./models/model.js";
export { loadModel } from "./models/open.js";
export type {
  BatchOptions,
  DataOf,
  EvaluateOptions,
  Figures,
  FitOptions,
  LoadOptions,
  MemoryUse,
  ModelOptions,
  PredictionOf,
  PredictOptions,
  ValidationData,
  WeightsOf,
} from "./models/options.js";
export type { FileSource } from "./models/saving.js";
export { Sequential, sequential } from "./models/sequential.js";
export type { Backend, BackendOptions } from "./runtime/backend.js";
export { defaultBackend } from "./runtime/default.js";
export { createBackend } from "./runtime/select.js";
export { type NestedValues, ones, Tensor, type TensorLike, tensor, zeros } from "./tensor.js";
export * from "./train/index.js";
