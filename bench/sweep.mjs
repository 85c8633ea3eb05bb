// One recurrent layer at many sizes, beside the fastest peer at each: `npm run bench -- --sweep`.
//
// From a layer in the middle one size after another is changed, then the cell; the corners follow, where rows are few and
// weights are large. A ratio is the best peer's median over ours: above 1 Rondo is faster.

import { workOf } from "./peers/protocol.mjs";
import { ask, columns, median, short } from "./report.mjs";
import { modelText } from "./works.mjs";

const middle = { cell: "lstm", rows: 32, steps: 28, features: 64, units: 128 };
const nameOf = ({ cell, rows, steps, features, units }) => `${cell}:${rows},${steps},${features},${units}`;
const along = (field, values) => values.map((value) => nameOf({ ...middle, [field]: value }));
const cells = ["gru", "rnn", "bilstm", "bigru", "birnn"];

/** What is changed, and the works. */
const GROUPS = [
  { title: "units", works: along("units", [8, 16, 32, 64, 128, 256, 512, 1024, 2048]) },
  { title: "rows", works: along("rows", [1, 2, 4, 8, 16, 64, 128, 512]) },
  { title: "steps", works: along("steps", [1, 2, 7, 100, 1000]) },
  {
    title: "cells",
    works: cells.flatMap((cell) => [16, 128, 512].map((units) => nameOf({ ...middle, cell, units }))),
  },
  {
    title: "corners",
    works: [
      ...["lstm", "gru", "rnn"].map((cell) => `${cell}:1,1000,16,16`),
      "lstm:1,28,128,1024",
      "lstm:512,28,28,32",
      "lstm:512,1,128,512",
      "gru:4,100,32,512",
      "rnn:512,28,28,1024",
      "bilstm:8,100,64,32",
    ],
  },
];

/** Works and kinds, as `main.mjs` measures them. */
export const SWEEP = GROUPS.flatMap(({ works }) =>
  works.flatMap((work) => ["train", "infer"].map((kind) => ({ work, kind, limits: {} }))),
);

/** What a sweep must reach: the median over all points, and the least that noise excuses at any. */
export const SWEEP_LIMITS = { train: 1.5, infer: 1.2, noise: 0.95 };

/** Every point that has a peer: { title, work, kind, ms, peer, ratio }. */
export function pointsOf(results) {
  const { rowOf, fastest, ours, threads } = ask(results);
  return GROUPS.flatMap(({ title, works }) =>
    works.flatMap((work) =>
      ["train", "infer"].flatMap((kind) => {
        const row = rowOf(work, kind);
        const [ms, peer] = [ours(row), fastest(row, "peer", threads)];
        if (ms === undefined || peer === undefined) return [];
        return [{ title, work, kind, ms, peer, ratio: peer.ms / ms }];
      }),
    ),
  );
}

const sizesText = (work) => {
  const { batch, input } = workOf(work);
  return `${modelText(work).replace(/ → .*/, "")} on [${[batch, ...input].join(", ")}]`;
};

/** Per kind: how many points, the median ratio, and those at which a peer is ahead. */
function summary(points) {
  return ["train", "infer"].flatMap((kind) => {
    const of = points.filter((point) => point.kind === kind);
    if (of.length === 0) return [];
    const behind = of.filter(({ ratio }) => ratio < SWEEP_LIMITS.noise);
    const middle = median(of.map(({ ratio }) => ratio));
    return [{ kind, count: of.length, median: middle, kept: middle >= SWEEP_LIMITS[kind], behind }];
  });
}

const verdicts = (points) =>
  summary(points).map(
    ({ kind, count, median, kept, behind }) =>
      `${kept && behind.length === 0 ? "kept  " : "MISSED"} ${kind}: ${count} points, median ${short(median)} × (≥ ${SWEEP_LIMITS[kind]}), ` +
      (behind.length === 0
        ? "no peer ahead"
        : `a peer ahead at ${behind.map(({ work, ratio }) => `${work} (${short(ratio)})`).join(", ")}`),
  );

const heads = ["", "kind", "Rondo ms", "best peer", "ratio"];
const cellsOf = ({ work, kind, ms, peer, ratio }) => [
  sizesText(work),
  kind,
  short(ms),
  `${peer.name} ${short(peer.ms)}`,
  `${short(ratio)} ×`,
];

/** The sweep for a terminal. */
export function sweepText(results) {
  const points = pointsOf(results);
  if (points.length === 0) return "No peer was there to sweep against: see --help for --python.";
  const failures = results.contestants
    .filter(({ failure }) => failure)
    .map(({ title, failure }) => `${title} failed: ${failure}`);
  return [columns([heads, ...points.map(cellsOf)]), "", ...verdicts(points), ...failures].join("\n");
}

/** The sweep as a table in Markdown. */
export function sweepMarkdown(results) {
  const points = pointsOf(results);
  const table = [heads, ["---", "---", "---:", "---:", "---:"], ...points.map(cellsOf)];
  return [...verdicts(points), "", ...table.map((line) => `| ${line.join(" | ")} |`), ""].join("\n");
}

const width = 880;
const labels = 280;
const pitch = 16;
const [least, most] = [0.5, 64];

const style = `
  text { font: 11px system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, sans-serif; fill: #1f2328; }
  .title { font-size: 16px; font-weight: 600; }
  .group { font-weight: 600; }
  .paper { fill: #ffffff; }
  .rule { stroke: #d1d9e0; }
  .even { stroke: #1f2328; }
  .train { fill: #0f766e; }
  .infer { fill: none; stroke: #b45309; stroke-width: 1.6; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .paper { fill: #0d1117; }
    .rule { stroke: #3d444d; }
    .even { stroke: #e6edf3; }
    .train { fill: #2dd4bf; }
    .infer { stroke: #f0a04b; }
  }`;

/** The ratios as a picture: a line per size, a disc for training, a ring for inference, on a logarithmic axis. */
export function sweepPicture(results) {
  const points = pointsOf(results);
  const x = (ratio) => {
    const bounded = Math.min(Math.max(ratio, least), most);
    return labels + ((width - labels - 24) * Math.log(bounded / least)) / Math.log(most / least);
  };
  const lines = [];
  let y = 74;
  for (const { title, works } of GROUPS) {
    const shown = works.filter((work) => points.some((point) => point.work === work));
    if (shown.length === 0) continue;
    lines.push(`<text x="24" y="${y}" class="group">${title}</text>`);
    for (const work of shown) {
      y += pitch;
      lines.push(`<text x="${labels - 12}" y="${y + 4}" text-anchor="end">${sizesText(work)}</text>`);
      lines.push(
        `<line x1="${labels}" x2="${width - 24}" y1="${y}" y2="${y}" class="rule" stroke-width=".5"/>`,
      );
      for (const { kind, ratio, peer } of points.filter((point) => point.work === work)) {
        const told = `${kind}: ${short(ratio)} × ${peer.name}`;
        lines.push(
          `<circle cx="${x(ratio).toFixed(1)}" cy="${y}" r="4" class="${kind}"><title>${told}</title></circle>`,
        );
      }
    }
    y += 24;
  }
  const ticks = [0.5, 1, 2, 4, 8, 16, 32, 64].map(
    (ratio) =>
      `<line x1="${x(ratio)}" x2="${x(ratio)}" y1="62" y2="${y - 16}" class="${ratio === 1 ? "even" : "rule"}"/>` +
      `<text x="${x(ratio)}" y="56" text-anchor="middle">${ratio} ×</text>`,
  );
  const { machine, threads, date } = results;
  const told = `${machine.cpu}, ${threads} threads, ${date.slice(0, 10)}: training ● and inference ○; right of 1 × Rondo is faster`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y}" width="${width}" height="${y}" role="img" aria-label="How many times faster than the best peer">
<style>${style}
</style>
<rect width="100%" height="100%" class="paper"/>
<text x="24" y="24" class="title">How many times faster than the best peer</text>
<text x="24" y="42">${told}</text>
${ticks.join("\n")}
${lines.join("\n")}
</svg>
`;
}
