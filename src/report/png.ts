import { sizeOf, type Tensor } from "../tensor.js";

/**
 * A greyscale picture as a PNG data URI.
 *
 * @param image float32 [height, width] from 0 (black) to 1 (white); values outside are cut off
 */
export async function pngDataUri(image: Tensor): Promise<string> {
  const [height = 1, width = sizeOf(image.shape)] = image.shape;
  const rows = new Uint8Array(height * (1 + width));
  for (let y = 0; y < height; y++) {
    // Each row begins with its filter type, 0: none.
    for (let x = 0; x < width; x++) {
      rows[y * (1 + width) + 1 + x] = Math.round(
        255 * Math.min(1, Math.max(0, image.data[y * width + x] ?? 0)),
      );
    }
  }
  const file = [
    ...[0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a], // signature
    // 8 bits per sample; colour type 0 (grey) and the other fields are 0.
    ...chunk("IHDR", [...word(width), ...word(height), 8, 0, 0, 0, 0]),
    ...chunk("IDAT", await deflate(rows)),
    ...chunk("IEND", []),
  ];
  return `data:image/png;base64,${btoa(file.map((byte) => String.fromCharCode(byte)).join(""))}`;
}

/** Length, type, data and checksum (Portable Network Graphics specification, section 5.3). */
function chunk(type: string, data: Iterable<number> & { readonly length: number }): number[] {
  const body = [...Array.from(type, (letter) => letter.charCodeAt(0)), ...data];
  return [...word(data.length), ...body, ...word(crc32(body))];
}

/** zlib's format (RFC 1950), by the platform. */
async function deflate(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const packed = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate"));
  return new Uint8Array(await new Response(packed).arrayBuffer());
}

/** Four bytes, the highest first. */
const word = (value: number): number[] => [24, 16, 8, 0].map((shift) => (value >>> shift) & 255);

/** CRC-32 with the reflected polynomial EDB88320 (annex D of the PNG specification). */
function crc32(bytes: readonly number[]): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc;
}
