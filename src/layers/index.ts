export type { Field, Fields, Json, JsonObject, OptionsOf, SettingsOf } from "../config/config.js";
export * as fields from "../config/fields.js";
export type { Activation, ActivationLayer, ActivationName, ActivationOptions } from "./activation.js";
export type {
  ELU,
  ELUOptions,
  LeakyReLU,
  LeakyReLUOptions,
  ReLU,
  ReLUOptions,
  Softmax,
  SoftmaxOptions,
} from "./activationLayers.js";
export { activations } from "./activations.js";
export {
  type Component,
  type Definition,
  describe,
  type Weight,
  type WeightContext,
  type WeightOptions,
} from "./component.js";
export {
  type Constraint,
  type ConstraintName,
  type ConstraintOption,
  constraintKind,
  constraints,
} from "./constraints.js";
export type { Conv1D, Conv1DOptions, Conv2D, Conv2DOptions } from "./conv.js";
export type { CRF, CrfOptions, CrfRule } from "./crf.js";
export { type CallOptions, DeclaredTensor, type LayerCall } from "./declared.js";
export type { Dense, DenseOptions, DenseRule } from "./dense.js";
export type { Dropout, DropoutOptions } from "./dropout.js";
export type { Embedding, EmbeddingOptions, EmbeddingRule } from "./embedding.js";
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
export type { Lambda, LambdaFunction, LambdaOptions, LambdaRule } from "./lambda.js";
export {
  type Applied,
  type ApplyOptions,
  batchShape,
  batchShapeText,
  type CallContext,
  callContext,
  type Declared,
  defineOwnLayer as defineLayer,
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
export * as layers from "./makers.js";
export type { Masking, MaskingOptions, MaskingRule } from "./masking.js";
export type {
  Add,
  Average,
  Concatenate,
  ConcatenateOptions,
  ConcatenateRule,
  Dot,
  DotOptions,
  DotRule,
  Maximum,
  MergeOptions,
  MergeRule,
  Minimum,
  Multiply,
  Subtract,
} from "./merging.js";
export type {
  BatchNormalization,
  BatchNormalizationOptions,
  LayerNormalization,
  LayerNormalizationOptions,
  UnitNormalization,
  UnitNormalizationOptions,
} from "./normalization.js";
export type {
  Cropping2D,
  Cropping2DOptions,
  GlobalAveragePooling2D,
  GlobalMaxPooling2D,
  GlobalPooling2DOptions,
  GlobalPooling2DRule,
  UpSampling1D,
  UpSampling1DOptions,
  UpSampling2D,
  UpSampling2DOptions,
  ZeroPadding2D,
  ZeroPadding2DOptions,
} from "./pixels.js";
export type {
  GlobalAveragePooling1D,
  GlobalMaxPooling1D,
  GlobalPooling1DOptions,
  GlobalPooling1DRule,
} from "./pooling.js";
export {
  Bidirectional,
  type BidirectionalOptions,
  type BidirectionalRule,
  type MergeMode,
} from "./recurrent/bidirectional.js";
export { Cell, type CellFields, type CellOutput, defineOwnCell as defineCell } from "./recurrent/cell.js";
export type { GRUCell, GRUCellOptions } from "./recurrent/cells/gru.js";
export type { LSTMCell, LSTMCellOptions } from "./recurrent/cells/lstm.js";
export type { SimpleRNNCell, SimpleRNNCellOptions } from "./recurrent/cells/simple.js";
export type { ConvLSTM1D, ConvLSTM2D, ConvLSTMOptions, ConvLSTMRule } from "./recurrent/convLstm.js";
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
export type { StackedRNNCells, StackedRNNCellsOptions } from "./recurrent/stacked.js";
export {
  type ComponentClass,
  type ConfigOptions,
  type CustomObjects,
  componentClasses,
  layerFromConfig,
} from "./registry.js";
export type {
  ActivityRegularization,
  ActivityRegularizationOptions,
  GaussianNoise,
  GaussianNoiseOptions,
  SpatialDropout1D,
  SpatialDropout1DOptions,
  SpatialDropout1DRule,
} from "./regularization.js";
export {
  type Regularizer,
  type RegularizerName,
  type RegularizerOption,
  regularizerKind,
  regularizers,
} from "./regularizers.js";
export type {
  Cropping1D,
  Cropping1DOptions,
  Permute,
  PermuteOptions,
  PermuteRule,
  RepeatVector,
  RepeatVectorOptions,
  RepeatVectorRule,
  ResizedRule,
  ZeroPadding1D,
  ZeroPadding1DOptions,
} from "./reshaping.js";
export type { TimeDistributed, TimeDistributedOptions, TimeDistributedRule } from "./timeDistributed.js";
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
  AveragePooling1D,
  AveragePooling2D,
  MaxPooling1D,
  MaxPooling2D,
  MaxPooling3D,
  PoolingOptions,
} from "./windowPooling.js";
export type { WindowRule } from "./windows.js";
