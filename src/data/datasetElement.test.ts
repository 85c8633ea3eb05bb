import { describe, expect, it, vi } from "vitest";
import { tensor, zeros } from "../tensor.js";
import { readTensor } from "./datasetElement.js";

describe("readTensor", () => {
  const rows = Array.from({ length: 3000 }, () => Array.from({ length: 50 }, (_, t) => [t, 0.5]));
  it("reads nested lists as toTensor does", async () => {
    const read = await readTensor("fit: x", rows);
    expect(read.shape).toEqual([3000, 50, 2]);
    expect(Buffer.compare(Buffer.from(read.data.buffer), Buffer.from(tensor(rows).data.buffer))).toBe(0);
    const shared = zeros([2]);
    expect(await readTensor("fit: x", shared)).toBe(shared);
  });
  it("lets the event loop turn", async () => {
    const clock = vi.spyOn(performance, "now");
    let now = 0;
    clock.mockImplementation(() => (now += 5));
    try {
      let turns = 0;
      const timer = setInterval(() => turns++, 0);
      await readTensor("fit: x", rows);
      clearInterval(timer);
      expect(turns).toBeGreaterThan(0);
    } finally {
      clock.mockRestore();
    }
  });
  it("names the argument and the place", async () => {
    await expect(readTensor("fit: x", [...rows, [[1, 2], [3]]])).rejects.toThrow(
      "fit: x: received a list of 2 at [3000], expected a list of 50",
    );
  });
});
