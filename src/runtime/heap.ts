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
  /** Where the memory must reach for everything that was ever handed out. */
  top: number;
  readonly #limit: number;
  /** Sorted by address, no two adjacent. */
  readonly #free: Span[] = [];
  readonly #used = new Map<number, number>();

  /** Hands out addresses from `base` (rounded up) to below `limit`. */
  constructor(base: number, limit: number) {
    this.top = roundUp(base);
    this.#limit = limit;
  }

  /** The address of `bytes` bytes, or undefined when they do not fit. A span that was used before is not cleared. */
  allocate(bytes: number): number | undefined {
    const size = roundUp(Math.max(bytes, 1));
    const found = this.#free.findIndex((span) => span.bytes >= size);
    const span = this.#free[found];
    let address: number;
    if (span !== undefined) {
      address = span.address;
      span.address += size;
      span.bytes -= size;
      if (span.bytes === 0) this.#free.splice(found, 1);
    } else {
      const last = this.#free.at(-1);
      const reuseTail = last !== undefined && last.address + last.bytes === this.top;
      address = reuseTail ? last.address : this.top;
      if (address + size > this.#limit) return undefined;
      if (reuseTail) this.#free.pop();
      this.top = address + size;
    }
    this.#used.set(address, size);
    return address;
  }

  free(address: number): void {
    const bytes = this.#used.get(address);
    if (bytes === undefined) throw new Error(`heap: ${address} is not in use`);
    this.#used.delete(address);
    const next = this.#free.findIndex((span) => span.address > address);
    const at = next < 0 ? this.#free.length : next;
    const after = this.#free[at];
    const before = this.#free[at - 1];
    const joinsAfter = after !== undefined && address + bytes === after.address;
    const joinsBefore = before !== undefined && before.address + before.bytes === address;
    if (joinsBefore) {
      before.bytes += bytes + (joinsAfter ? after.bytes : 0);
      if (joinsAfter) this.#free.splice(at, 1);
    } else if (joinsAfter) {
      after.address = address;
      after.bytes += bytes;
    } else {
      this.#free.splice(at, 0, { address, bytes });
    }
  }
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / alignment) * alignment;
}
