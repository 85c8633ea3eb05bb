/** Pixels along one side of an image. */
export const side = 28;

/** The digits of two IDX files in any order: `{ images, labels }`, bytes [N · 28 · 28] and [N]. */
export async function readDigits(files) {
  const found = {};
  for (const file of files) {
    const { sizes, data } = parseIdx(await unzipped(file));
    if (sizes.length === 1) found.labels = data;
    else if (sizes.length === 3 && sizes[1] === side && sizes[2] === side) found.images = data;
    else throw new Error(`An IDX file of sizes ${sizes.join(" × ")} is neither 28 × 28 images nor labels.`);
  }
  const { images, labels } = found;
  if (images === undefined || labels === undefined || images.length !== labels.length * side * side) {
    throw new Error("Two files are needed: the images, and as many labels.");
  }
  return { images, labels };
}

/** The IDX format: two zeros, 8 for bytes, the number of axes; their sizes, 4 bytes each, big-endian; the bytes. */
function parseIdx(buffer) {
  const view = new DataView(buffer);
  if (buffer.byteLength < 8 || view.getUint16(0) !== 0 || view.getUint8(2) !== 8) {
    throw new Error("This is no IDX file of bytes, as MNIST's are.");
  }
  const sizes = Array.from({ length: view.getUint8(3) }, (_, axis) => view.getUint32(4 + 4 * axis));
  const data = new Uint8Array(buffer, 4 + 4 * sizes.length);
  if (data.length !== sizes.reduce((product, size) => product * size, 1)) {
    throw new Error("This IDX file is not complete.");
  }
  return { sizes, data };
}

async function unzipped(blob) {
  const [first, second] = new Uint8Array(await blob.slice(0, 2).arrayBuffer());
  if (first !== 0x1f || second !== 0x8b) return blob.arrayBuffer();
  return new Response(blob.stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

/** Bytes 0 to 255 as numbers 0 to 1. */
export const scaled = (bytes) => Float32Array.from(bytes, (byte) => byte / 255);

/** Shows bytes [28 · 28] on a canvas of that size. */
export function show(canvas, bytes) {
  const image = new ImageData(side, side);
  for (const [i, byte] of bytes.entries()) image.data.set([byte, byte, byte, 255], 4 * i);
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/**
 * A drawing as MNIST's makers prepared theirs: scaled into 20 × 20 pixels, its centre of mass in the middle of 28 × 28.
 * Bytes [28 · 28], or `undefined` for an empty canvas.
 */
export function normalized(canvas) {
  const { width, height } = canvas;
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  let [left, top, right, bottom] = [width, height, -1, -1];
  let [mass, sumX, sumY] = [0, 0, 0];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const ink = data[4 * (y * width + x) + 3];
      if (ink === 0) continue;
      [left, top, right, bottom] = [
        Math.min(left, x),
        Math.min(top, y),
        Math.max(right, x),
        Math.max(bottom, y),
      ];
      mass += ink;
      sumX += ink * x;
      sumY += ink * y;
    }
  }
  if (mass === 0) return undefined;
  const scale = 20 / Math.max(right - left + 1, bottom - top + 1);
  const small = new OffscreenCanvas(side, side).getContext("2d");
  small.imageSmoothingQuality = "high";
  small.setTransform(scale, 0, 0, scale, side / 2 - (scale * sumX) / mass, side / 2 - (scale * sumY) / mass);
  small.drawImage(canvas, 0, 0);
  const pixels = small.getImageData(0, 0, side, side).data;
  return Uint8Array.from({ length: side * side }, (_, i) => pixels[4 * i + 3]);
}
