interface Span {
  address: number;
  bytes: number;
}

const alignment = 64;

/**
 * Hands out addresses of a linear memory, 64-byte aligned, first fit; neighbours that are free become one. It never
 * touches the memory, so it may live on another thread than the one that owns it.
 */
export class Heap {
  readonly #limit: number;
  #top: number;
  /** Below `top`: sorted by address, no two adjacent, none at the end. */
  readonly #free: Span[] = [];
  readonly #used = new Map<number, number>();

  /** Hands out addresses from `base` (rounded up) to below `limit`. */
  constructor(base: number, limit: number) {
    this.#top = roundUp(base);
    this.#limit = limit;
  }

  /** The end of what is in use, on a multiple of 64. */
  get top(): number {
    return this.#top;
  }

  /** The address of `bytes` bytes with undefined contents; undefined when they do not fit. */
  allocate(bytes: number): number | undefined {
    const size = roundUp(Math.max(bytes, 1));
    const found = this.#free.findIndex((span) => span.bytes >= size);
    const span = this.#free[found];
    let address = this.#top;
    if (span !== undefined) {
      address = span.address;
      span.address += size;
      span.bytes -= size;
      if (span.bytes === 0) this.#free.splice(found, 1);
    } else {
      if (address + size > this.#limit) return undefined;
      this.#top += size;
    }
    this.#used.set(address, size);
    return address;
  }

  /** The address of `bytes` bytes that are free at present, the lowest there is; nothing is reserved. */
  vacant(bytes: number): number {
    return this.#free.find((span) => span.bytes >= bytes)?.address ?? this.#top;
  }

  /** Takes back what `allocate` handed out. */
  free(address: number): void {
    const bytes = this.#used.get(address);
    if (bytes === undefined) throw new Error(`heap: ${address} is not in use`);
    this.#used.delete(address);
    const next = this.#free.findIndex((span) => span.address > address);
    const at = next < 0 ? this.#free.length : next;
    this.#free.splice(at, 0, { address, bytes });
    this.#join(at);
    if (at > 0) this.#join(at - 1);
    const last = this.#free.at(-1);
    if (last !== undefined && last.address + last.bytes === this.#top) {
      this.#top = last.address;
      this.#free.pop();
    }
  }

  /** Makes one of the free spans `at` and `at + 1` if they are adjacent. */
  #join(at: number): void {
    const span = this.#free[at];
    const after = this.#free[at + 1];
    if (span === undefined || after === undefined || span.address + span.bytes !== after.address) return;
    span.bytes += after.bytes;
    this.#free.splice(at + 1, 1);
  }
}

/** Bytes as the heap counts them: a multiple of 64. */
export function roundUp(bytes: number): number {
  return Math.ceil(bytes / alignment) * alignment;
}
