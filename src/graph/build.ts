/** The ops as functions: what layers, losses, optimizers and users' own code are written in. */
export * from "./ops/elementwise.js";
export * from "./ops/index.js";
export * from "./ops/matmul.js";
export * from "./ops/random.js";
export * from "./ops/reduce.js";
export * from "./ops/scan.js";
export * from "./ops/shape.js";
export * from "./ops/softmax.js";
export * from "./ops/source.js";
