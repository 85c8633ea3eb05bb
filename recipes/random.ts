/**
 * Random numbers for data that recipes make: the i-th is a function of the seed, a stream and i alone, so that data are
 * the same on every machine and streams do not disturb each other.
 */
export class Random {
  readonly #key: number;
  #count = 0;

  /** @param stream any whole number; streams of one seed are independent */
  constructor(seed: number, stream = 0) {
    this.#key = mix(mix(mix(seed | 0) ^ Math.floor(seed / 2 ** 32)) + stream);
  }

  /** Uniform in [0, 1), in steps of 2^-32. */
  uniform(): number {
    return (mix(mix(this.#key ^ mix(this.#count)) + this.#count++) >>> 0) / 2 ** 32;
  }

  /** Uniform among the whole numbers from `least` to `most`. */
  whole(least: number, most: number): number {
    return least + Math.floor(this.uniform() * (most - least + 1));
  }

  /** Of mean 0 and standard deviation 1 (Box and Muller, 1958). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }

  /** 0 … count − 1 in a random order (Fisher and Yates, as in Knuth, TAOCP 3.4.2, algorithm P). */
  permutation(count: number): number[] {
    const order = Array.from({ length: count }, (_, i) => i);
    for (let i = count - 1; i > 0; i--) {
      const j = this.whole(0, i);
      [order[i], order[j]] = [order[j] ?? 0, order[i] ?? 0];
    }
    return order;
  }
}

/** MurmurHash3's 32-bit finalizer after a multiplication that spreads small numbers. */
function mix(value: number): number {
  let h = Math.imul(value + 0x7f4a7c15, 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
