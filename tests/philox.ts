// Philox4x32-10 in plain TypeScript: the twin of the kernels' generator.

/** Four words of 32 bits, unsigned. */
export type Block = readonly [number, number, number, number];

const multiplier0 = 0xd2511f53n;
const multiplier1 = 0xcd9e8d57n;
const weyl0 = 0x9e3779b9;
const weyl1 = 0xbb67ae85;

/** Ten rounds of Philox4x32 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011, §3.3). */
export function philox(counter: Block, key: readonly [number, number]): Block {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const a = multiplier0 * BigInt(c0 >>> 0);
    const b = multiplier1 * BigInt(c2 >>> 0);
    [c0, c1, c2, c3] = [(high(b) ^ c1 ^ k0) >>> 0, low(b), (high(a) ^ c3 ^ k1) >>> 0, low(a)];
    k0 = (k0 + weyl0) >>> 0;
    k1 = (k1 + weyl1) >>> 0;
  }
  return [c0, c1, c2, c3];
}

const high = (product: bigint): number => Number(product >> 32n);
const low = (product: bigint): number => Number(product & 0xffffffffn);
