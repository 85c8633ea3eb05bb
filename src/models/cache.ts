/**
 * A map that forgets what was used longest ago: as soon as the sizes of what it keeps add up to more than `capacity`, but
 * never the `least` entries that were used last.
 */
export class RecentlyUsed<V> {
  readonly #entries = new Map<string, { readonly value: V; readonly size: number }>();
  readonly #capacity: number;
  readonly #least: number;
  readonly #dropped: (value: V) => void;
  #total = 0;
  /** The key that was used last: it is the last of the map already. */
  #newest: string | undefined;

  /** @param dropped is told of each value that is forgotten */
  constructor(capacity: number, least: number, dropped: (value: V) => void = () => {}) {
    this.#capacity = capacity;
    this.#least = least;
    this.#dropped = dropped;
  }

  /** The value under a key, which is the one used last then; undefined where there is none. */
  get(key: string): V | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (key !== this.#newest) {
      this.#entries.delete(key);
      this.#entries.set(key, entry);
      this.#newest = key;
    }
    return entry.value;
  }

  /** Keeps a value under a key, in the place of the one that it has. */
  add(key: string, value: V, size: number): void {
    this.delete(key);
    this.#entries.set(key, { value, size });
    this.#newest = key;
    this.#total += size;
    for (const oldest of this.#entries.keys()) {
      if (this.#total <= this.#capacity || this.#entries.size <= this.#least) break;
      this.delete(oldest);
    }
  }

  has(key: string): boolean {
    return this.#entries.has(key);
  }

  delete(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#total -= entry.size;
    this.#dropped(entry.value);
  }

  clear(): void {
    for (const key of [...this.#entries.keys()]) this.delete(key);
  }
}
