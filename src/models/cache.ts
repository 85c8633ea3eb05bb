/** A map that forgets what was used longest ago. */
export class RecentlyUsed<V> {
  readonly #values = new Map<string, V>();

  constructor(readonly capacity: number) {}

  /** The value under `key`, made if there is none. */
  get(key: string, make: () => V): V {
    const value = this.#values.get(key) ?? make();
    this.#values.delete(key);
    this.#values.set(key, value);
    const [oldest] = this.#values.keys();
    if (this.#values.size > this.capacity && oldest !== undefined) this.#values.delete(oldest);
    return value;
  }

  has(key: string): boolean {
    return this.#values.has(key);
  }

  clear(): void {
    this.#values.clear();
  }
}
