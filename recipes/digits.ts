// What the recipes have in common that classify MNIST's digits: how they are measured, and how they answer.
import { Tensor } from "rondo";
import { mnist } from "rondo/datasets";
import { batched, decimals, type PredictInput, type Recipe, type SavedRun } from "rondo/recipe";
import { classified } from "./classified.js";
import { type GreyPicture, isPgm, isPng, readPgm, readPng } from "./greyPictures.js";
import { jsonIn, shown } from "./numbers.js";

const side = 28;
const pixels = side * side;
/** Pictures that a model sees at once. */
const together = 500;

/**
 * How a model answers that tells digits apart.
 *
 * @param seen what it gets of pictures [N, 28, 28]
 */
export const digitsOf = (seen: (pictures: Tensor) => Tensor) =>
  async function* ({ model, signal }: Pick<SavedRun, "model" | "signal">, inputs: readonly PredictInput[]) {
    for await (const batch of batched(pictures(inputs), together)) {
      const x = new Float32Array(batch.length * pixels);
      for (const [i, { picture }] of batch.entries()) x.set(picture, i * pixels);
      const given = seen(new Tensor(x, [batch.length, side, side], "float32"));
      const y = await model.predict(given, { signal });
      const classes = y.data.length / batch.length;
      for (const [i, { input, index }] of batch.entries()) {
        const row = y.data.subarray(i * classes, (i + 1) * classes);
        yield { input, index, class: row.indexOf(Math.max(...row)), probabilities: decimals(row) };
      }
    }
  };

export const digits = {
  prediction: {
    reads:
      "pictures of 28 × 28 pixels, white on black: PNG and PGM files, a folder of them, IDX files such as MNIST's, or 784 bytes a picture, 0 (black) to 255 (white); or a picture on each line as JSON, 28 lists of 28 numbers from 0 to 1",
    gives: "{ input, index, class, probabilities } for each picture; index counts from 0 in each input",
  },

  async evaluate({ settings, model }) {
    const { test } = await mnist({ data: settings.data });
    return classified(model, test);
  },

  predict: digitsOf((pictures) => pictures),
} satisfies Partial<Recipe>;

interface Picture {
  /** The name of the input, and the picture's place in it. */
  readonly input: string;
  readonly index: number;
  /** [784] from 0 to 1. */
  readonly picture: Float32Array;
}

async function* pictures(inputs: readonly PredictInput[]): AsyncGenerator<Picture> {
  for (const input of inputs) {
    let index = 0;
    for await (const picture of await picturesIn(input)) yield { input: input.name, index: index++, picture };
  }
}

/** The pictures of an input, whatever it holds. */
async function picturesIn(input: PredictInput): Promise<AsyncIterable<Float32Array>> {
  const begin = await input.begin(256);
  if (begin[0] === 0 && begin[1] === 0 && begin[2] === 8) return idxPictures(input, begin);
  if (isPng(begin)) return onePicture(input, readPng);
  if (isPgm(begin)) return onePicture(input, readPgm);
  // No picture has these characters alone.
  return /^[-+\d\s[\],.eE]{2,}$/.test(String.fromCharCode(...begin))
    ? jsonPictures(input)
    : rawPictures(input);
}

async function* onePicture(
  input: PredictInput,
  read: (input: PredictInput) => Promise<GreyPicture>,
): AsyncGenerator<Float32Array> {
  const { height, width, data } = await read(input);
  if (height !== side || width !== side) {
    throw input.error("picture", {
      received: `${width} × ${height} pixels`,
      expected: `${side} × ${side}`,
      fix: "Scale it; MNIST's digits are white on black, about 20 pixels high and in the middle",
    });
  }
  yield data;
}

/** An IDX file of unsigned bytes: after a header of four numbers, 784 bytes a picture (see `mnist`). */
async function* idxPictures(input: PredictInput, begin: Uint8Array): AsyncGenerator<Float32Array> {
  const header = new DataView(begin.buffer, begin.byteOffset, begin.length);
  const rank = begin[3] ?? 0;
  const sizes = Array.from({ length: rank }, (_, axis) => {
    const at = 4 + 4 * axis;
    return at + 4 <= begin.length ? header.getUint32(at) : 0;
  });
  const [count = 0, height, width] = sizes;
  if (rank !== 3 || height !== side || width !== side) {
    throw input.error("header", {
      received: `an IDX file of shape [${sizes.join(", ")}]`,
      expected: `[N, ${side}, ${side}]`,
      fix: "Give a file of pictures such as t10k-images-idx3-ubyte",
    });
  }
  let index = 0;
  for await (const piece of pieces(input, 4 + 4 * rank)) {
    if (piece.length === pixels && index < count) yield scaled(piece);
    else
      throw damaged(input, index < count ? `${piece.length} bytes of picture ${index}` : "more bytes", count);
    index++;
  }
  if (index < count) throw damaged(input, `the end of the file after ${index} pictures`, count);
}

const damaged = (input: PredictInput, received: string, count: number) =>
  input.error("data", {
    received,
    expected: `${count} pictures of ${pixels} bytes, as the header says`,
    fix: "Copy the file again: it is truncated or damaged",
  });

async function* rawPictures(input: PredictInput): AsyncGenerator<Float32Array> {
  let index = 0;
  for await (const piece of pieces(input, 0)) {
    if (piece.length === pixels) yield scaled(piece);
    else {
      throw input.error(`picture ${index}`, {
        received: `${piece.length} bytes`,
        expected: `IDX, lines of JSON, or ${pixels} bytes a picture`,
        fix: `Draw the digit white on black in ${side} × ${side} pixels, and write a byte for each, row by row`,
      });
    }
    index++;
  }
  if (index > 0) return;
  throw input.error("picture 0", {
    received: "an empty input",
    expected: "pictures",
    fix: "Check whether the file was written completely",
  });
}

async function* jsonPictures(input: PredictInput): AsyncGenerator<Float32Array> {
  for await (const { line, text } of input.lines()) {
    if (text.trim() === "") continue;
    const rows = jsonIn(text);
    const values: readonly unknown[] = Array.isArray(rows) ? rows.flat() : [];
    const isSquare =
      Array.isArray(rows) && rows.length === side && rows.every((row) => (row as unknown[]).length === side);
    const isPixel = (value: unknown) => typeof value === "number" && value >= 0 && value <= 1;
    if (isSquare && values.every(isPixel)) {
      yield Float32Array.from(values as readonly number[]);
      continue;
    }
    const wrong = values.find((value) => !isPixel(value));
    throw input.error(`line ${line}`, {
      received: isSquare ? JSON.stringify(wrong) : shown(text),
      expected: `${side} lists of ${side} numbers from 0 (black) to 1 (white)`,
      fix: "Write a picture on each line, divided by 255 where its pixels are bytes",
    });
  }
}

/** Bytes 0 to 255 as 0 to 1, as `mnist` has them. */
const scaled = (bytes: Uint8Array): Float32Array => Float32Array.from(bytes, (byte) => byte / 255);

/** The bytes of an input, after so many that are dropped, in pieces of a picture each; the last may be shorter. */
async function* pieces(input: PredictInput, dropped: number): AsyncGenerator<Uint8Array> {
  let left = dropped;
  let rest = new Uint8Array();
  for await (const chunk of input.chunks()) {
    const skipped = Math.min(left, chunk.length);
    left -= skipped;
    const bytes = new Uint8Array(rest.length + chunk.length - skipped);
    bytes.set(rest);
    bytes.set(chunk.subarray(skipped), rest.length);
    let at = 0;
    for (; at + pixels <= bytes.length; at += pixels) yield bytes.subarray(at, at + pixels);
    rest = bytes.slice(at);
  }
  if (rest.length > 0) yield rest;
}
