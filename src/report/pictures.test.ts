import { decode } from "fast-png";
import { expect, it } from "vitest";
import { tensor } from "../tensor.js";
import { greyPicture, signColours, signedPicture } from "./pictures.js";

const prefix = "data:image/png;base64,";

/** Size, channels and values of a picture, from the bytes of its file. */
function read(uri: string) {
  expect(uri.startsWith(prefix)).toBe(true);
  const { width, height, channels, depth, data } = decode(Buffer.from(uri.slice(prefix.length), "base64"));
  expect(depth).toBe(8);
  return { width, height, channels, data: [...data] };
}

it("writes numbers from 0 to 1 as a grey picture, what lies outside cut off", () => {
  const uri = greyPicture(
    tensor([
      [0, 0.5, 1],
      [2, -1, Number.NaN],
    ]),
  );
  expect(read(uri)).toEqual({ width: 3, height: 2, channels: 1, data: [0, 128, 255, 255, 0, 0] });
});

it("writes signs as colours and sizes as cover", () => {
  const { above, below } = signColours;
  const uri = signedPicture(
    [
      [1, -2],
      [0, 4],
      [Number.NaN, -8],
    ],
    4,
  );
  expect(read(uri)).toEqual({
    width: 2,
    height: 3,
    channels: 4,
    data: [
      ...[...above, 64, ...below, 128],
      ...[...above, 0, ...above, 255],
      ...[...above, 0, ...below, 255],
    ],
  });
});
