import { describe, expect, it } from "vitest";
import { RecentlyUsed } from "./cache.js";

describe("RecentlyUsed", () => {
  it("forgets what was used longest ago when the sizes add up to more than it keeps", () => {
    const dropped: string[] = [];
    const cache = new RecentlyUsed<string>(10, 0, (value) => dropped.push(value));
    cache.add("a", "A", 4);
    cache.add("b", "B", 4);
    expect(cache.get("a")).toBe("A");
    cache.add("c", "C", 4);
    expect([cache.get("a"), cache.get("b"), cache.get("c")]).toEqual(["A", undefined, "C"]);
    cache.add("d", "D", 2);
    expect(dropped).toEqual(["B"]);
    cache.add("e", "E", 9);
    expect(dropped).toEqual(["B", "A", "C", "D"]);
    expect(cache.has("e")).toBe(true);
  });

  it("keeps the entries used last, whatever their sizes", () => {
    const cache = new RecentlyUsed<number>(10, 2);
    for (const i of [0, 1, 2]) cache.add(`${i}`, i, 100);
    expect([cache.get("0"), cache.get("1"), cache.get("2")]).toEqual([undefined, 1, 2]);
  });

  it("tells of what is deleted and cleared, once", () => {
    const dropped: number[] = [];
    const cache = new RecentlyUsed<number>(10, 0, (value) => dropped.push(value));
    cache.add("0", 0, 1);
    cache.add("1", 1, 9);
    cache.delete("0");
    cache.delete("0");
    cache.add("2", 2, 1);
    expect(cache.has("1")).toBe(true); // the size of what was deleted counts no more
    cache.add("2", 3, 1);
    expect([cache.has("1"), cache.get("2")]).toEqual([true, 3]);
    cache.clear();
    expect(dropped).toEqual([0, 2, 1, 3]);
  });
});
