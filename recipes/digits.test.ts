import { deflateSync, gzipSync } from "node:zlib";
import { createBackend, layers, sequential } from "rondo";
import { PredictInput, type SavedRun } from "rondo/recipe";
import { afterAll, describe, expect, it } from "vitest";
import { digits } from "./digits.js";

const backend = await createBackend({ threads: 1, warn: () => undefined });
afterAll(() => backend.close());

const model = sequential(
  [layers.flatten({ inputShape: [28, 28] }), layers.dense({ units: 10, activation: "softmax" })],
  { seed: 1, backend },
);

type Answer = Readonly<Record<"input" | "index" | "class" | "probabilities", unknown>>;

async function ask(...inputs: readonly PredictInput[]): Promise<Answer[]> {
  const answers: Answer[] = [];
  const saved = { model, signal: new AbortController().signal } as unknown as SavedRun;
  for await (const answer of digits.predict(saved, inputs)) answers.push(answer);
  return answers;
}

/** Pictures of random bytes, all others than the JSON of a picture has. */
const pictures = Uint8Array.from({ length: 3 * 784 }, (_, i) => (i * 37 + (i >> 3) * 11) % 256);
const header = (...sizes: readonly number[]): Uint8Array => {
  const bytes = new DataView(new ArrayBuffer(4 + 4 * sizes.length));
  bytes.setUint32(0, 0x800 + sizes.length);
  for (const [axis, size] of sizes.entries()) bytes.setUint32(4 + 4 * axis, size);
  return new Uint8Array(bytes.buffer);
};
const idx = (sizes: readonly number[], data: Uint8Array) => Buffer.concat([header(...sizes), data]);
const lines = Array.from({ length: 3 }, (_, i) =>
  JSON.stringify(
    Array.from({ length: 28 }, (_, row) =>
      Array.from(pictures.subarray(i * 784 + row * 28, i * 784 + row * 28 + 28), (byte) => byte / 255),
    ),
  ),
);
const json = new TextEncoder().encode(`${lines.join("\n")}\n\n`);

/** What comes in pieces that cut everything. */
async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 101) yield bytes.subarray(at, at + 101);
}

describe("digits", () => {
  it("answers the same to IDX, to bytes and to JSON, packed or not, however they come", async () => {
    const [first, ...others] = await Promise.all(
      [idx([3, 28, 28], pictures), pictures, json].flatMap((bytes) => [
        ask(new PredictInput("a", bytes)),
        ask(new PredictInput("a", gzipSync(bytes))),
        ask(new PredictInput("a", pieces(bytes))),
      ]),
    );
    const expected = await model.predict(
      lines.map((line) => JSON.parse(line) as number[][]),
      {},
    );
    expect(first).toEqual(
      [0, 1, 2].map((index) => {
        const row = [...expected.data.subarray(10 * index, 10 * index + 10)];
        return {
          input: "a",
          index,
          class: row.indexOf(Math.max(...row)),
          probabilities: row.map((value) => expect.closeTo(value, 6)),
        };
      }),
    );
    for (const other of others) expect(other).toEqual(first);
  });

  it("goes through many pictures and several inputs in their order", async () => {
    const many = new Uint8Array(1201 * 784);
    const answers = await ask(new PredictInput("many", many), new PredictInput("few", pictures));
    expect(answers).toHaveLength(1204);
    expect(answers.at(1200)).toMatchObject({ input: "many", index: 1200 });
    expect(answers.at(-1)).toMatchObject({ input: "few", index: 2 });
    expect(answers.at(-1)?.probabilities).toEqual(
      (await ask(new PredictInput("few", pictures)))[2]?.probabilities,
    );
  });

  it.each([
    ["an empty input", new Uint8Array(), "a, picture 0: received an empty input"],
    [
      "half a picture",
      pictures.subarray(0, 1000),
      "a, picture 1: received 216 bytes, expected IDX, lines of JSON, or 784",
    ],
    ["text", new TextEncoder().encode("seven"), "a, picture 0: received 5 bytes"],
    [
      "IDX of labels",
      idx([3], Uint8Array.of(1, 2, 3)),
      "a, header: received an IDX file of shape [3], expected [N, 28, 28]",
    ],
    [
      "IDX of other pictures",
      idx([1, 14, 56], pictures),
      "a, header: received an IDX file of shape [1, 14, 56]",
    ],
    [
      "IDX cut in a picture",
      idx([3, 28, 28], pictures.subarray(0, 2000)),
      "a, data: received 432 bytes of picture 2, expected 3",
    ],
    [
      "IDX cut between pictures",
      idx([3, 28, 28], pictures.subarray(0, 1568)),
      "a, data: received the end of the file after 2 pictures",
    ],
    [
      "IDX with more than it says",
      idx([2, 28, 28], pictures),
      "a, data: received more bytes, expected 2 pictures",
    ],
    [
      "a short header",
      header(3, 28, 28).subarray(0, 9),
      "a, header: received an IDX file of shape [3, 0, 0]",
    ],
  ])("refuses %s", async (_, bytes, message) => {
    await expect(ask(new PredictInput("a", bytes))).rejects.toThrow(message);
  });

  it.each([
    ["[1, 2", 'received "[1, 2"'],
    ["[[0.1, 0.2], [0.3, 0.4]]", 'received "[[0.1, 0.2], [0.3, 0.4]]"'],
    [(lines[0] ?? "").replace("[[0,", "[[255,"), "received 255"],
  ])("refuses lines that are no picture: %#", async (line, message) => {
    const bytes = new TextEncoder().encode(`${lines[1]}\n${line}\n`);
    await expect(ask(new PredictInput("a", bytes))).rejects.toThrow(
      `a, line 2: ${message}, expected 28 lists of 28`,
    );
  });
});

/** A PNG file, each row with the filter type of its number by five; checksums are not looked at. */
function png(
  samples: number,
  colour: number,
  bits: number,
  pixels: Uint8Array,
  palette?: Uint8Array,
): Uint8Array {
  const stride = (28 * samples * bits) / 8;
  const step = Math.max(1, (samples * bits) >> 3);
  const rows = new Uint8Array(28 * (stride + 1));
  const old = (y: number, x: number) => (x < 0 || y < 0 ? 0 : (pixels[y * stride + x] ?? 0));
  for (let y = 0; y < 28; y++) {
    rows[y * (stride + 1)] = y % 5;
    for (let x = 0; x < stride; x++) {
      const [left, above, corner] = [old(y, x - step), old(y - 1, x), old(y - 1, x - step)];
      const near = [left, above, corner].sort(
        (a, b) => Math.abs(left + above - corner - a) - Math.abs(left + above - corner - b),
      );
      const predicted = [0, left, above, (left + above) >> 1, near[0]][y % 5] ?? 0;
      rows[y * (stride + 1) + 1 + x] = old(y, x) - predicted;
    }
  }
  const chunk = (kind: string, data: Uint8Array) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(data.length);
    return Buffer.concat([length, Buffer.from(kind), data, Buffer.alloc(4)]);
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(28, 0);
  head.writeUInt32BE(28, 4);
  head.set([bits, colour], 8);
  const packed = deflateSync(rows);
  return Buffer.concat([
    Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a),
    chunk("IHDR", head),
    ...(palette === undefined ? [] : [chunk("PLTE", palette)]),
    chunk("IDAT", packed.subarray(0, 100)),
    chunk("IDAT", packed.subarray(100)),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

describe("pictures in files", () => {
  const one = pictures.subarray(0, 784);
  const repeated = (each: (byte: number) => readonly number[]) => Uint8Array.from([...one].flatMap(each));
  const grey = Uint8Array.from({ length: 768 }, (_, i) => Math.floor(i / 3));

  it.each<[string, Uint8Array]>([
    ["grey", png(1, 0, 8, one)],
    [
      "grey with alpha",
      png(
        2,
        4,
        8,
        repeated((byte) => [byte, 255]),
      ),
    ],
    [
      "RGB",
      png(
        3,
        2,
        8,
        repeated((byte) => [byte, byte, byte]),
      ),
    ],
    [
      "RGB with alpha",
      png(
        4,
        6,
        8,
        repeated((byte) => [byte, byte, byte, 255]),
      ),
    ],
    ["a palette", png(1, 3, 8, one, grey)],
    [
      "grey of 16 bits",
      png(
        1,
        0,
        16,
        repeated((byte) => [byte, byte]),
      ),
    ],
    ["PGM", Buffer.concat([Buffer.from("P5\n# drawn\n28 28\n255\n"), one])],
    ["plain PGM", Buffer.from(`P2 28 28 255\n${[...one].join(" ")}\n`)],
  ])("are read as bytes are: %s", async (_, file) => {
    const [expected] = await ask(new PredictInput("a", one));
    const [found] = await ask(new PredictInput("a", file));
    expect(found).toEqual({
      ...expected,
      probabilities: ((expected?.probabilities ?? []) as number[]).map((p) => expect.closeTo(p, 5)),
    });
  });

  it.each<[string, Uint8Array, string]>([
    ["of another size", Buffer.from("P5 2 1 255\nab"), "a, picture: received 2 × 1 pixels, expected 28 × 28"],
    ["that end early", Buffer.from("P5 28 28 255\nab"), "received 2 pixels of up to 255"],
    ["without a header", Buffer.from("P5 28"), "a PGM file without a header"],
    ["of a PNG without pixels", png(1, 0, 8, one).subarray(0, 60), "cannot be unpacked"],
    ["interlaced", png(1, 0, 8, one).map((byte, i) => (i === 28 ? 1 : byte)), "interlacing 1"],
  ])("%s are refused", async (_, file, message) => {
    await expect(ask(new PredictInput("a", file))).rejects.toThrow(message);
  });
});
