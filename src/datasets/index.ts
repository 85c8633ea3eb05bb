export { type DescribedDataset, describeDatasets } from "./describe.js";
export type { LocateOptions } from "./locate.js";
export { type ImageSet, type LabelForm, type Mnist, type MnistOptions, mnist } from "./mnist.js";
export { type PennTreebank, ptb } from "./ptb.js";
export { reviewPolarity } from "./reviewPolarity.js";
export { rtPolarity } from "./rtPolarity.js";
export { stocktwits } from "./stocktwits.js";
export { resumeNer, type TaggedSet, zhNer } from "./tagged.js";
export type { LabelledTexts, Polarity } from "./texts.js";
export {
  type DailyTemperatures,
  dailyMinTemperatures,
  type Pollution,
  pollution,
} from "./timeSeries.js";
export { tinyShakespeare } from "./tinyShakespeare.js";
