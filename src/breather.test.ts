import { describe, expect, it } from "vitest";
import { atOnce, inTurns, type Steps } from "./breather.js";

function* sum(...numbers: number[]): Steps<number> {
  let total = 0;
  for (const n of numbers) {
    yield;
    total += n;
  }
  return total;
}

function* busy(ms: number, times: number): Steps<void> {
  for (let i = 0; i < times; i++) {
    const end = performance.now() + ms;
    while (performance.now() < end);
    yield;
  }
}

describe("work that can pause", () => {
  it("has its result at once or in turns", async () => {
    expect(atOnce(sum(1, 2, 3))).toBe(6);
    expect(await inTurns(sum(1, 2, 3))).toBe(6);
  });

  it("lets the event loop turn where it takes long", async () => {
    let turned = false;
    setTimeout(() => {
      turned = true;
    }, 0);
    await inTurns(busy(10, 3));
    expect(turned).toBe(true);
  });

  it("rejects where the work fails", async () => {
    function* failing(): Steps<void> {
      yield;
      throw new Error("no");
    }
    await expect(inTurns(failing())).rejects.toThrow("no");
    expect(() => atOnce(failing())).toThrow("no");
  });
});
