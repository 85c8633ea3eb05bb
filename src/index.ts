/** Rondo's public surface, the same in Node and in browsers. */
export { type BatchesOptions, batches } from "./data/batches.js";
export { toCategorical } from "./data/labels.js";
export type { Dtype, TypedArray } from "./dtype.js";
export { type ErrorParts, RondoError } from "./errors.js";
export type { Dim, Shape } from "./graph/dim.js";
export type { SymbolicTensor } from "./graph/ir.js";
export * as ops from "./graph/public.js";
export {
  type Activation,
  activations,
  type CallContext,
  Cell,
  type CellOutput,
  defineCell,
  defineLayer,
  fields,
  type Initializer,
  type InputShape,
  initializers,
  type Keeps,
  Layer,
  type LayerOptions,
  type LayerOutput,
  layerFromConfig,
  layers,
  type OptionsOf,
  type ShapeError,
  type ShapeRule,
  type Sizes,
  type Weight,
  type WeightContext,
} from "./layers/index.js";
export type {
  BatchOptions,
  EvaluateOptions,
  Figures,
  FitOptions,
  MemoryUse,
  ModelOptions,
  PredictOptions,
  ValidationData,
} from "./models/options.js";
export { Sequential, sequential } from "./models/sequential.js";
export type { Backend, BackendOptions } from "./runtime/backend.js";
export { defaultBackend } from "./runtime/default.js";
export { createBackend } from "./runtime/select.js";
export { ones, Tensor, type TensorLike, tensor, zeros } from "./tensor.js";
export * from "./train/index.js";
