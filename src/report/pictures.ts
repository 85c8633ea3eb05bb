import { encode } from "fast-png";
import { sizeOf, type Tensor } from "../tensor.js";

/**
 * A greyscale picture as a PNG data URI.
 *
 * @param image float32 [height, width] from 0 (black) to 1 (white); values outside are cut off
 */
export function greyPicture({ shape, data }: Tensor): string {
  const [height = 1, width = sizeOf(shape)] = shape;
  const bytes = Uint8Array.from(data, (value) => Math.round(255 * within(value)));
  return dataUri(encode({ width, height, data: bytes, channels: 1 }));
}

/** Colours of values above and below 0, of middle brightness: they are seen on light and on dark ground. */
export const signColours = { above: [47, 111, 208], below: [214, 90, 30] } as const;

/**
 * Numbers as a picture, a pixel each: their sign is its colour, their size how much it covers the ground, which NaN leaves
 * bare.
 *
 * @param rows equally long
 * @param most what covers the ground completely
 */
export function signedPicture(rows: readonly (readonly number[])[], most: number): string {
  const data = rows.flat().flatMap((value) => {
    const colour = value < 0 ? signColours.below : signColours.above;
    return [...colour, Math.round(255 * within(Math.abs(value) / most))];
  });
  const [width, height] = [rows[0]?.length ?? 0, rows.length];
  return dataUri(encode({ width, height, data: Uint8Array.from(data), channels: 4 }));
}

const within = (value: number): number => (value > 0 ? Math.min(1, value) : 0);

const dataUri = (file: Uint8Array): string =>
  `data:image/png;base64,${btoa(Array.from(file, (byte) => String.fromCharCode(byte)).join(""))}`;
