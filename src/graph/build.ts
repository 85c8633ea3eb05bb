/** All that graphs are made with, the ops as functions and their records; users get the part in `public.ts`. */
export { type ConvOptions, conv2d, convOp, convWeightsOp, layOut, layOutOp } from "./ops/conv.js";
export * from "./ops/crf.js";
export * from "./ops/elementwise.js";
export * from "./ops/gather.js";
export * from "./ops/join.js";
export * from "./ops/matmul.js";
export { type PoolOptions, pool, poolGradientOp, poolOp } from "./ops/pool.js";
export * from "./ops/random.js";
export * from "./ops/reduce.js";
export {
  type Fused,
  type FusedActivation,
  type FusedCell,
  fusedActivations,
  gradientOutputs,
  operand,
  type RnnAttrs,
  type RnnGradientAttrs,
  rnnGradientOp,
  rnnOp,
} from "./ops/rnn.js";
export * from "./ops/rows.js";
export * from "./ops/scan.js";
export * from "./ops/shape.js";
export * from "./ops/softmax.js";
export * from "./ops/source.js";
