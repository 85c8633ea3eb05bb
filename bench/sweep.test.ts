import { expect, it } from "vitest";
import { workOf } from "./peers/protocol.mjs";
import { pointsOf, SWEEP, sweepMarkdown, sweepPicture, sweepText } from "./sweep.mjs";

const one = "lstm:32,28,64,128";

/** Results in which ours takes 10 ms everywhere; the peer 20, but as told for inference of one work. */
function results(ms = 20) {
  return {
    date: "2030-01-02T03:04:05Z",
    machine: { cpu: "CPU" },
    threads: 2,
    contestants: [
      { id: "ours", name: "Rondo", role: "ours", threads: 2 },
      { id: "peer", name: "Peer", role: "peer", threads: 2 },
    ],
    rows: SWEEP.map((row) => ({
      ...row,
      times: { ours: [10], peer: [row.work === one && row.kind === "infer" ? ms : 20] },
    })),
    roof: {},
  };
}

it("goes over works of one layer that have names of their own", () => {
  expect(new Set(SWEEP.map(({ work, kind }) => `${work} ${kind}`)).size).toBe(SWEEP.length);
  expect(SWEEP.filter(({ work }) => workOf(work) === undefined)).toEqual([]);
  expect(workOf("bigru:3,4,5,6")).toMatchObject({
    batch: 3,
    input: [4, 5],
    cell: "gru",
    units: [6],
    bidirectional: true,
  });
  expect(workOf("lstm:3,4,5")).toBeUndefined();
  expect(workOf("toString")).toBeUndefined();
});

it("says by how much Rondo leads, and where it does not", () => {
  expect(sweepText(results())).toContain("kept   infer: 46 points, median 2.00 × (≥ 1.2), no peer ahead");
  const behind = results(8);
  expect(pointsOf(behind).find(({ work, kind }) => work === one && kind === "infer")?.ratio).toBe(0.8);
  expect(sweepText(behind)).toContain(
    `MISSED infer: 46 points, median 2.00 × (≥ 1.2), a peer ahead at ${one} (0.800)`,
  );
  expect(sweepText(behind)).toContain("kept   train: 46 points, median 2.00 × (≥ 1.5), no peer ahead");
  expect(sweepMarkdown(behind)).toContain(
    "| LSTM 128 on [32, 28, 64] | infer | 10.0 | Peer 8.00 | 0.800 × |",
  );
  expect(sweepPicture(behind).match(/<circle/g)).toHaveLength(SWEEP.length);
});

it("asks for a peer where there is none", () => {
  const alone = results();
  expect(sweepText({ ...alone, contestants: alone.contestants.slice(0, 1) })).toContain("No peer");
});
