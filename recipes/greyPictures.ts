// Grey pictures from PNG and PGM files.
import type { PredictInput } from "rondo/recipe";

/** Rows of pixels from 0 (black) to 1 (white). */
export interface GreyPicture {
  readonly height: number;
  readonly width: number;
  /** [height · width] */
  readonly data: Float32Array;
}

const pngSignature = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
export const isPng = (begin: Uint8Array): boolean => pngSignature.every((byte, i) => begin[i] === byte);
/** "P2" or "P5", a blank, and something that an array in JSON or bytes of pixels would hardly begin with. */
export const isPgm = (begin: Uint8Array): boolean =>
  /^P[25]\s[\s\d#]/.test(String.fromCharCode(...begin.subarray(0, 4)));

/** Numbers of a pixel by the colour type of a PNG file: grey, RGB, palette, grey with alpha, RGB with alpha. */
const samplesOf: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

const refused = (input: PredictInput, received: string, expected: string) =>
  input.error("picture", {
    received,
    expected,
    fix: "Save it again as a plain PNG file, 8 bits a sample, without interlacing",
  });

/** How bright a colour is, by ITU-R BT.601, from 0 to 255 as its parts are. */
const brightness = (red: number, green: number, blue: number): number =>
  0.299 * red + 0.587 * green + 0.114 * blue;

/**
 * A PNG file (Portable Network Graphics specification, third edition) of any colour type, with 1 to 16 bits a sample, not
 * interlaced. Colours become their brightness; what is transparent is black.
 */
export async function readPng(input: PredictInput): Promise<GreyPicture> {
  const bytes = await input.bytes();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const parts: Uint8Array[] = [];
  let [header, palette]: (Uint8Array | undefined)[] = [];
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at);
    const kind = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    const data = bytes.subarray(at + 8, at + 8 + length);
    if (kind === "IHDR") header = data;
    else if (kind === "PLTE") palette = data;
    else if (kind === "IDAT") parts.push(data);
    else if (kind === "IEND") break;
    at += 12 + length;
  }
  if (header === undefined || header.length < 13)
    throw refused(input, "a PNG file without a header", "a PNG file");
  const sizes = new DataView(header.buffer, header.byteOffset, header.length);
  const [width, height] = [sizes.getUint32(0), sizes.getUint32(4)];
  const [bits = 0, colour = -1, , , interlaced] = header.subarray(8);
  const samples = samplesOf[colour];
  if (samples === undefined || interlaced !== 0 || ![1, 2, 4, 8, 16].includes(bits))
    throw refused(
      input,
      `a PNG file of colour type ${colour}, ${bits} bits, interlacing ${interlaced}`,
      "one that is not interlaced",
    );
  const stride = Math.ceil((width * samples * bits) / 8);
  const packed = await inflated(input, parts);
  if (packed.length < height * (stride + 1))
    throw refused(input, "a PNG file that ends early", `${height} rows of ${width} pixels`);
  const rows = unfiltered(packed, height, stride, Math.max(1, (samples * bits) >> 3));
  const most = colour === 3 ? 1 : 2 ** bits - 1;
  const data = new Float32Array(height * width);
  for (let i = 0; i < data.length; i++) {
    const [row, column] = [Math.floor(i / width), i % width];
    const sample = (k: number): number => {
      const first = (column * samples + k) * bits;
      const byte = rows[row * stride + (first >> 3)] ?? 0;
      if (bits === 16) return byte * 256 + (rows[row * stride + (first >> 3) + 1] ?? 0);
      return (byte >> (8 - bits - (first & 7))) & (2 ** bits - 1);
    };
    const alpha = colour === 4 ? sample(1) / most : colour === 6 ? sample(3) / most : 1;
    if (colour === 3) {
      const [red = 0, green = 0, blue = 0] = palette?.subarray(3 * sample(0)) ?? [];
      data[i] = brightness(red, green, blue) / 255;
    } else {
      const value = samples < 3 ? sample(0) : brightness(sample(0), sample(1), sample(2));
      data[i] = (alpha * value) / most;
    }
  }
  return { height, width, data };
}

async function inflated(input: PredictInput, parts: readonly Uint8Array[]): Promise<Uint8Array> {
  try {
    const stream = new Blob(parts as Uint8Array<ArrayBuffer>[]).stream();
    const unpacked = stream.pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(unpacked).arrayBuffer());
  } catch {
    throw refused(input, "a PNG file whose pixels cannot be unpacked", "a PNG file");
  }
}

/** The rows as they were before each was filtered (section 9); `step` bytes lie between a pixel and its left neighbour. */
function unfiltered(packed: Uint8Array, height: number, stride: number, step: number): Uint8Array {
  const rows = new Uint8Array(height * stride);
  for (let y = 0; y < height; y++) {
    const filter = packed[y * (stride + 1)];
    for (let x = 0; x < stride; x++) {
      const at = y * stride + x;
      const left = x < step ? 0 : (rows[at - step] ?? 0);
      const above = y === 0 ? 0 : (rows[at - stride] ?? 0);
      const corner = x < step || y === 0 ? 0 : (rows[at - stride - step] ?? 0);
      const predicted = [0, left, above, (left + above) >> 1, paeth(left, above, corner)][filter ?? 0] ?? 0;
      rows[at] = (packed[y * (stride + 1) + 1 + x] ?? 0) + predicted;
    }
  }
  return rows;
}

/** The neighbour that is nearest to left + above − corner. */
function paeth(left: number, above: number, corner: number): number {
  const [a, b, c] = [Math.abs(above - corner), Math.abs(left - corner), Math.abs(left + above - 2 * corner)];
  return a <= b && a <= c ? left : b <= c ? above : corner;
}

/** A PGM file (Netpbm), plain (P2) or of bytes (P5), with values up to 255. */
export async function readPgm(input: PredictInput): Promise<GreyPicture> {
  const bytes = await input.bytes();
  const text = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  const blank = "(?:\\s|#[^\\n]*\\n)+";
  const found = new RegExp(`^P([25])${blank}(\\d+)${blank}(\\d+)${blank}(\\d+)\\s`).exec(text);
  const [all = "", kind, ...numbers] = found ?? [];
  const [width = 0, height = 0, most = 0] = numbers.map(Number);
  const body =
    kind === "2"
      ? text.slice(all.length).trim().split(/\s+/).map(Number)
      : Array.from(bytes.subarray(all.length, all.length + width * height));
  if (found === null || most < 1 || most > 255 || body.length !== width * height) {
    throw input.error("picture", {
      received: found === null ? "a PGM file without a header" : `${body.length} pixels of up to ${most}`,
      expected: `a PGM file${found === null ? "" : ` of ${width} × ${height} pixels, none above 255`}`,
      fix: "Save it again as PGM with 8 bits a pixel, or as PNG",
    });
  }
  return { height, width, data: Float32Array.from(body, (value) => value / most) };
}
