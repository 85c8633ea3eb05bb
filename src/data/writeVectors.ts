import { writeBytes } from "#files";
import { Breather, isRest } from "../breather.js";
import { choice } from "../config/fields.js";
import { RondoError } from "../errors.js";
import type { WordVectors } from "./wordVectors.js";

/**
 * Word vectors as the bytes of a file of word2vec, which gensim's `load_word2vec_format` reads.
 *
 * @throws RondoError for a word with a space or a line end in it, which the format cannot hold
 */
export async function encodeWordVectors(
  vectors: WordVectors,
  format: "word2vec" | "word2vecBinary" = "word2vec",
): Promise<Uint8Array> {
  choice<string>("word2vec", ["word2vec", "word2vecBinary"]).read(format, "encodeWordVectors", "format");
  const { words, dimension, data } = vectors;
  const wrong = words.find((word) => word === "" || /[ \t\r\n]/.test(word));
  if (wrong !== undefined) {
    throw new RondoError({
      where: "encodeWordVectors",
      received: `the word ${JSON.stringify(wrong)}`,
      expected: "words without spaces and line ends",
      fix: "Write _ for spaces",
    });
  }
  const encoder = new TextEncoder();
  const breather = new Breather();
  const parts = [encoder.encode(`${words.length} ${dimension}\n`)];
  for (const [row, word] of words.entries()) {
    const vector = data.subarray(row * dimension, (row + 1) * dimension);
    if (format === "word2vec")
      parts.push(encoder.encode(`${word} ${Array.from(vector, float32Text).join(" ")}\n`));
    else parts.push(encoder.encode(`${word} `), littleEndian(vector), encoder.encode("\n"));
    const rest = isRest(row) ? breather.tick() : undefined;
    if (rest !== undefined) await rest;
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** Writes word vectors as a file of word2vec, in Node; in a page, take what `encodeWordVectors` gives. */
export const writeWordVectors = async (
  path: string,
  vectors: WordVectors,
  format: "word2vec" | "word2vecBinary" = "word2vec",
): Promise<void> => writeBytes(path, await encodeWordVectors(vectors, format));

/** The shortest text that is read as the same float32. */
function float32Text(value: number): string {
  let digits = 6;
  while (digits < 9 && Math.fround(Number(value.toPrecision(digits))) !== value) digits++;
  return Object.is(value, -0) ? "-0" : String(Number(value.toPrecision(digits)));
}

/** Numbers as files of word2vec have them, whatever the machine. */
function littleEndian(vector: Float32Array): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(4 * vector.length));
  for (const [i, value] of vector.entries()) view.setFloat32(4 * i, value, true);
  return new Uint8Array(view.buffer);
}
