import { expect, it } from "vitest";
import { RecentlyUsed } from "./cache.js";

it("makes a value once and forgets what was used longest ago", () => {
  const made: string[] = [];
  const cache = new RecentlyUsed<string>(2);
  const get = (key: string) =>
    cache.get(key, () => {
      made.push(key);
      return key.toUpperCase();
    });
  expect([get("a"), get("b"), get("a"), get("c")]).toEqual(["A", "B", "A", "C"]);
  expect(made).toEqual(["a", "b", "c"]);
  get("a"); // kept: used after b
  expect(made).toHaveLength(3);
  get("b");
  expect(made).toEqual(["a", "b", "c", "b"]);
});
