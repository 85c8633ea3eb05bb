import { inflateSync } from "node:zlib";
import { expect, it } from "vitest";
import { tensor } from "../tensor.js";
import { greyPicture } from "./pictures.js";

const prefix = "data:image/png;base64,";

/** The bytes of the picture's file, and its rows, each with its filter type before it. */
function read(uri: string) {
  expect(uri.startsWith(prefix)).toBe(true);
  const file = Buffer.from(uri.slice(prefix.length), "base64");
  const length = file.readUInt32BE(33);
  expect(file.subarray(37, 41).toString()).toBe("IDAT");
  return { file, rows: [...inflateSync(file.subarray(41, 41 + length))] };
}

it("writes a greyscale PNG", () => {
  const { file, rows } = read(
    greyPicture(
      tensor([
        [0, 0.5, 1],
        [2, -1, Number.NaN],
      ]),
    ),
  );
  expect(file.subarray(0, 8).toString("latin1")).toBe("\x89PNG\r\n\x1a\n");
  expect(file.subarray(8, 33).toString("hex")).toBe(
    "0000000d" + "49484452" + "0000000300000002" + "0800000000" + "b81f39c6",
  );
  expect(rows).toEqual([0, 0, 128, 255, 0, 255, 0, 0]);
  // The checksum of an empty IEND is the same in every PNG.
  expect(file.subarray(-12).toString("hex")).toBe("0000000049454e44ae426082");
});
