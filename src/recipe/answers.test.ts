import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { batched, decimals } from "./answers.js";

async function* from<T>(items: readonly T[], error?: Error): AsyncGenerator<T> {
  yield* items;
  if (error !== undefined) throw error;
}

/** Everything up to the end, or to the error. */
async function collect<T>(items: AsyncIterable<T>): Promise<{ items: T[]; error?: unknown }> {
  const found: T[] = [];
  try {
    for await (const item of items) found.push(item);
    return { items: found };
  } catch (error) {
    return { items: found, error };
  }
}

describe("batched", () => {
  it.each([
    [[], 3, []],
    [[1, 2], 3, [[1, 2]]],
    [[1, 2, 3], 3, [[1, 2, 3]]],
    [[1, 2, 3, 4], 3, [[1, 2, 3], [4]]],
  ])("gives %j in lists of %i", async (items, size, lists) => {
    expect(await collect(batched(from(items), size))).toEqual({ items: lists });
  });

  it("gives what came before an error, and then the error", async () => {
    const error = new Error("line 4");
    expect(await collect(batched(from([1, 2, 3], error), 2))).toEqual({ items: [[1, 2], [3]], error });
  });

  it("does not wait for a list to be full where nothing comes", async () => {
    let send = (_: number): void => undefined;
    async function* slow() {
      yield 1;
      yield 2;
      yield await new Promise<number>((resolve) => {
        send = resolve;
      });
    }
    const lists = batched(slow(), 10);
    expect((await lists.next()).value).toEqual([1, 2]);
    send(3);
    expect((await lists.next()).value).toEqual([3]);
    expect((await lists.next()).done).toBe(true);
  });

  it("takes no more than a list at a time, and ends what it takes from", async () => {
    let taken = 0;
    let isEnded = false;
    async function* counted() {
      try {
        for (;;) yield taken++;
      } finally {
        isEnded = true;
      }
    }
    for await (const list of batched(counted(), 4)) {
      expect(list).toEqual([0, 1, 2, 3]);
      break;
    }
    expect([taken, isEnded]).toEqual([4, true]);
  });

  it("ends at once where it waits for an item that does not come", async () => {
    async function* stuck() {
      yield 1;
      await new Promise(() => undefined);
    }
    const lists = batched(stuck(), 10);
    expect((await lists.next()).value).toEqual([1]);
    expect(await Promise.race([lists.return(undefined), sleep(5000, "late")])).not.toBe("late");
  });
});

describe("decimals", () => {
  it("are the shortest that read back as the same float32", () => {
    expect(decimals(Float32Array.of(0.1, 1 / 3, 16777217, 0))).toEqual([0.1, 0.33333334, 16777216, 0]);
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const [short = Number.NaN] = decimals([value]);
        expect(Math.fround(short)).toBe(value + 0); // JSON has no −0
        expect(String(short).length).toBeLessThanOrEqual(String(value).length);
      }),
    );
  });
});
