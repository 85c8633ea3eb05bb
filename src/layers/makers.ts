/**
 * The built-in layers and cells, each made from its options: `layers` of the package, and its entry `rondo/layers`, of which
 * every bundler keeps what is used.
 */
import { GRUCell, type GRUCellOptions } from "./recurrent/cells/gru.js";
import { LSTMCell, type LSTMCellOptions } from "./recurrent/cells/lstm.js";
import { SimpleRNNCell, type SimpleRNNCellOptions } from "./recurrent/cells/simple.js";
import { StackedRNNCells, type StackedRNNCellsOptions } from "./recurrent/stacked.js";

export { activation } from "./activation.js";
export { elu, leakyReLU, reLU, softmax } from "./activationLayers.js";
export { conv1d, conv2d } from "./conv.js";
export { crf } from "./crf.js";
export { dense } from "./dense.js";
export { dropout } from "./dropout.js";
export { embedding } from "./embedding.js";
export { flatten, reshape } from "./flatten.js";
export { inputLayer } from "./inputLayer.js";
export { lambda } from "./lambda.js";
export { masking } from "./masking.js";
export { add, average, concatenate, dot, maximum, minimum, multiply, subtract } from "./merging.js";
export { batchNormalization, layerNormalization, unitNormalization } from "./normalization.js";
export {
  cropping2d,
  globalAveragePooling2d,
  globalMaxPooling2d,
  upSampling1d,
  upSampling2d,
  zeroPadding2d,
} from "./pixels.js";
export { globalAveragePooling1d, globalMaxPooling1d } from "./pooling.js";
export { bidirectional } from "./recurrent/bidirectional.js";
export { convLstm1d, convLstm2d } from "./recurrent/convLstm.js";
export { rnn } from "./recurrent/generic.js";
export { gru, lstm, simpleRNN } from "./recurrent/layers.js";
export { activityRegularization, gaussianNoise, spatialDropout1d } from "./regularization.js";
export { cropping1d, permute, repeatVector, zeroPadding1d } from "./reshaping.js";
export { timeDistributed } from "./timeDistributed.js";
export {
  averagePooling1d,
  averagePooling2d,
  maxPooling1d,
  maxPooling2d,
  maxPooling3d,
} from "./windowPooling.js";

/** The cell of `simpleRNN`. */
export const simpleRNNCell = (options: SimpleRNNCellOptions): SimpleRNNCell => new SimpleRNNCell(options);
/** The cell of `lstm`. */
export const lstmCell = (options: LSTMCellOptions): LSTMCell => new LSTMCell(options);
/** The cell of `gru`. */
export const gruCell = (options: GRUCellOptions): GRUCell => new GRUCell(options);
/** Several cells as one. */
export const stackedRNNCells = (options: StackedRNNCellsOptions): StackedRNNCells =>
  new StackedRNNCells(options);
