export { type ImageSet, type LabelForm, type Mnist, type MnistOptions, mnist } from "./mnist.js";
