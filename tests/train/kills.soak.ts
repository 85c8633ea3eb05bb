import { expect, it } from "vitest";
import { shareOf } from "../soak.js";
import { killedOften } from "./kills.js";

it.each(["arrays", "dataset"])("ends in the bits of a training that is not killed: %s", async (kind) => {
  const kills = shareOf(100, 3);
  const { ends, uninterrupted, resumed } = await killedOften(kind, kills, 100 + kind.length);
  console.log(`${kind}: ${kills} kills of ${ends.length} trainings; ${resumed} times there was a checkpoint`);
  expect(uninterrupted).toContain('"bits"');
  for (const end of ends) expect(JSON.parse(end)).toEqual(JSON.parse(uninterrupted));
  expect(resumed).toBeGreaterThan(0);
});
