import { sizeOf, type Tensor } from "../tensor.js";

/**
 * A greyscale picture as a PNG data URI.
 *
 * @param image float32 [height, width] from 0 (black) to 1 (white); values outside are cut off
 */
export function pngDataUri(image: Tensor): string {
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
    ...chunk("IDAT", [0x78, 0x01, ...deflate(rows), ...word(adler32(rows))]),
    ...chunk("IEND", []),
  ];
  return `data:image/png;base64,${btoa(file.map((byte) => String.fromCharCode(byte)).join(""))}`;
}

/** Length, type, data and checksum (Portable Network Graphics specification, section 5.3). */
function chunk(type: string, data: readonly number[]): number[] {
  const body = [...Array.from(type, (letter) => letter.charCodeAt(0)), ...data];
  return [...word(data.length), ...body, ...word(crc32(body))];
}

/**
 * One block with the fixed codes (RFC 1951, section 3.2.6), which repeats nothing but the byte before: small where a
 * picture has areas of one shade, as drawings have, and the same in Node and in a page, where nothing of the platform
 * compresses at once.
 */
function deflate(bytes: Uint8Array): number[] {
  const packed: number[] = [];
  let [waiting, count] = [0, 0];
  const put = (value: number, bits: number) => {
    waiting |= value << count;
    for (count += bits; count >= 8; count -= 8) {
      packed.push(waiting & 255);
      waiting >>>= 8;
    }
  };
  // Codes, unlike other values, go from their highest bit.
  const putCode = (code: number, bits: number) => {
    for (let bit = bits - 1; bit >= 0; bit--) put((code >> bit) & 1, 1);
  };
  put(0b011, 3); // the last block, fixed codes
  for (let i = 0; i < bytes.length; ) {
    const byte = bytes[i] ?? 0;
    let run = 0; // the lengths 3 to 10 need no extra bits
    if (i > 0 && byte === bytes[i - 1]) while (run < 10 && bytes[i + run] === byte) run++;
    if (run >= 3) {
      putCode(run - 2, 7);
      putCode(0, 5); // from 1 byte before
    } else {
      if (byte < 144) putCode(0x30 + byte, 8);
      else putCode(0x190 + byte - 144, 9);
      run = 1;
    }
    i += run;
  }
  putCode(0, 7); // end of the block
  put(0, 7); // the rest of the last byte
  return packed;
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

/** The checksum of zlib's format (RFC 1950, section 8.2). */
function adler32(bytes: Uint8Array): number {
  let [a, b] = [1, 0];
  for (const byte of bytes) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  return (b << 16) | a;
}
