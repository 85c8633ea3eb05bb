import { expect, it } from "vitest";
import * as rondo from "./index.js";

it("gives users ops as functions, and nothing of how they are declared", () => {
  const others = Object.entries(rondo.ops).filter(
    ([name, value]) => typeof value !== "function" || /Op$/.test(name),
  );
  expect(others).toEqual([]);
});
