import { describe, expect, it } from "vitest";
import { killedOften } from "./kills.js";

describe.concurrent("a training that is killed at any moment", () => {
  it.each(["arrays", "dataset"])(
    "ends in the bits of one that is not: %s",
    { timeout: 120_000 },
    async (kind) => {
      const { ends, uninterrupted, resumed } = await killedOften(kind, 10, kind.length);
      expect(uninterrupted).toContain('"bits"');
      for (const end of ends) expect(JSON.parse(end)).toEqual(JSON.parse(uninterrupted));
      expect(resumed).toBeGreaterThan(0);
    },
  );
});
