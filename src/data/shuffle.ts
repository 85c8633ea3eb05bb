/**
 * A permutation of 0 … count − 1 as a function of (seed, epoch) alone, computed place by place: nothing is stored, and an
 * epoch can be entered anywhere. A Feistel network over the next power of two whose values beyond `count` are walked
 * past (Black & Rogaway, "Ciphers with arbitrary finite domains", 2002, method 3). Its round function is a 32-bit
 * integer hash, no cipher: enough for shuffling, not for secrets.
 *
 * @param count at most 2^30
 * @returns the row at each place
 */
export function permutation(seed: number, epoch: number, count: number): (place: number) => number {
  const bits = Math.max(2, Math.ceil(Math.log2(Math.max(2, count))));
  const lowBits = bits >> 1;
  const lowMask = (1 << lowBits) - 1;
  const highMask = (1 << (bits - lowBits)) - 1;
  const keys = Int32Array.from({ length: rounds }, (_, round) =>
    mix(mix(mix(mix(seed | 0) ^ Math.floor(seed / 2 ** 32)) ^ epoch) + round),
  );
  return (place) => {
    let value = place;
    do {
      let low = value & lowMask;
      let high = value >>> lowBits;
      for (let round = 0; round < rounds; round += 2) {
        low ^= mix(high + (keys[round] ?? 0)) & lowMask;
        high ^= mix(low + (keys[round + 1] ?? 0)) & highMask;
      }
      value = (high << lowBits) | low;
    } while (value >= count);
    return value;
  };
}

const rounds = 8;

/**
 * Numbers from 0 to below 1 as a function of (seed, epoch) and of their place alone, at any place at once. 32 bits each; from
 * the same hash, which is no cipher.
 */
export function draws(seed: number, epoch: number): (place: number) => number {
  const key = mix(mix(derivedSeed(seed, 0)) ^ epoch);
  return (place) => {
    const drawn = mix(mix(key + (place | 0)) ^ Math.floor(place / 2 ** 32));
    return (drawn >>> 0) / 2 ** 32;
  };
}

/** A seed that follows from another one: those of different numbers have nothing to do with each other. */
export const derivedSeed = (seed: number, number: number): number =>
  mix(mix(mix(seed | 0) ^ Math.floor(seed / 2 ** 32)) + number);

/** MurmurHash3's 32-bit finalizer after a multiplication that spreads small numbers. */
function mix(value: number): number {
  let h = Math.imul(value + 0x7f4a7c15, 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
