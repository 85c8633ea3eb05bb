// Random numbers as the instruction `random` defines them, in float64.
import { type Block, philox } from "./philox.js";

/** Where the numbers of a draw come from. */
export interface Stream {
  readonly seed: readonly [number, number];
  readonly rowBase: number;
  readonly step: number;
  readonly opId: number;
}

/**
 * `count` numbers of one row: four for each block of words, whose counter is (block within the row, global row, step,
 * op id) and whose key is the seed.
 */
function draw(
  stream: Stream,
  row: number,
  count: number,
  four: (words: Block, key: Key) => number[],
): number[] {
  const key: Key = [stream.seed[0] >>> 0, stream.seed[1] >>> 0];
  const blocks = Array.from({ length: Math.ceil(count / 4) }, (_, block) => {
    const counter: Block = [block, (stream.rowBase + row) >>> 0, stream.step >>> 0, stream.opId >>> 0];
    return four(philox(counter, key), key);
  });
  return blocks.flat().slice(0, count);
}

type Key = readonly [number, number];

/** Multiples of 2^-24 in [0, 1): the upper bits of each word. */
export const uniforms = (stream: Stream, row: number, count: number): number[] =>
  draw(stream, row, count, (words) => words.map((w) => (w >>> 8) / 2 ** 24));

/** Standard normals (Box and Muller 1958): a radius from one word and an angle from the next give two of them. */
export const normals = (stream: Stream, row: number, count: number): number[] =>
  draw(stream, row, count, fourNormals);

/** Standard normals redrawn until they lie within two standard deviations: the words of each draw count the next. */
export const truncatedNormals = (stream: Stream, row: number, count: number): number[] =>
  draw(stream, row, count, (words, key) =>
    [0, 1, 2, 3].map((element) => {
      let now = words;
      for (;;) {
        const value = fourNormals(now)[element] ?? Number.NaN;
        if (Math.abs(value) <= 2) return value;
        now = philox(now, key);
      }
    }),
  );

function fourNormals([w0, w1, w2, w3]: Block): number[] {
  const pair = (first: number, second: number) => {
    const radius = Math.sqrt(-2 * Math.log(((first >>> 1) + 0.5) / 2 ** 31));
    const angle = (2 * Math.PI * second) / 2 ** 32;
    return [radius * Math.cos(angle), radius * Math.sin(angle)];
  };
  return [...pair(w0, w1), ...pair(w2, w3)];
}
