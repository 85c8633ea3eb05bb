import { deflateSync } from "node:zlib";
import { sizeOf, type Tensor } from "../tensor.js";

/**
 * A greyscale picture as a PNG data URI.
 *
 * @param image float32 [height, width] from 0 (black) to 1 (white); values outside are cut off
 */
export function pngDataUri(image: Tensor): string {
  const [height = 1, width = sizeOf(image.shape)] = image.shape;
  const rows = Buffer.alloc(height * (1 + width));
  for (let y = 0; y < height; y++) {
    // Each row begins with its filter type, 0: none.
    for (let x = 0; x < width; x++) {
      rows[y * (1 + width) + 1 + x] = Math.round(
        255 * Math.min(1, Math.max(0, image.data[y * width + x] ?? 0)),
      );
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header[8] = 8; // bits per sample; colour type 0 (grey) and the other fields stay 0
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const file = Buffer.concat([
    signature,
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(rows)),
    chunk("IEND", Buffer.alloc(0)),
  ]);
  return `data:image/png;base64,${file.toString("base64")}`;
}

/** Length, type, data and checksum (Portable Network Graphics specification, section 5.3). */
function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const result = Buffer.alloc(body.length + 8);
  result.writeUInt32BE(data.length, 0);
  body.copy(result, 4);
  result.writeUInt32BE(crc32(body), body.length + 4);
  return result;
}

/** CRC-32 with the reflected polynomial EDB88320 (annex D of the same specification). */
function crc32(bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}
