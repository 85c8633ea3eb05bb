import { RondoError } from "../errors.js";
import { shapeText, sizeOf, Tensor } from "../tensor.js";

const unsignedByte = 0x08;

/**
 * Reads an IDX file of unsigned bytes, the format of MNIST: two zero bytes, the element type, the rank, one big-endian
 * uint32 for each axis, then the elements in row-major order. (Source: "The MNIST database", section "File formats".)
 *
 * @param bytes the file, unpacked; the tensor shares its memory
 * @param name what errors call the file
 * @throws RondoError for another format, another element type, or a file whose length does not fit its header
 */
export function readIdx(bytes: Uint8Array, name: string): Tensor<"uint8"> {
  const [zero0, zero1, type, rank] = bytes;
  if (zero0 !== 0 || zero1 !== 0 || type === undefined || rank === undefined) {
    const start = [...bytes.subarray(0, 4)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    throw notIdx(name, bytes.length === 0 ? "an empty file" : `a file that starts with the bytes ${start}`);
  }
  if (type !== unsignedByte)
    throw notIdx(name, `IDX elements of type 0x${type.toString(16).padStart(2, "0")}`);
  const headerBytes = 4 + 4 * rank;
  if (bytes.length < headerBytes)
    throw notIdx(name, `${bytes.length} bytes, too few for a header of rank ${rank}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, headerBytes);
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  const expected = headerBytes + sizeOf(shape);
  if (bytes.length !== expected) {
    throw new RondoError({
      where: `read ${name}`,
      received: `${bytes.length} bytes${bytes.length < expected ? " (truncated)" : ""}`,
      expected: `${expected} bytes for shape ${shapeText(shape)}`,
      fix: "Download the file again",
    });
  }
  return new Tensor(bytes.subarray(headerBytes), shape, "uint8");
}

function notIdx(name: string, received: string): RondoError {
  return new RondoError({
    where: `read ${name}`,
    received,
    expected: "an IDX file of unsigned bytes (it starts with 00 00 08), gzipped or not",
    fix: "Put the original MNIST file there",
  });
}
