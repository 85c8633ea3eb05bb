// The results as one picture: a panel per row, a bar per contestant, as long as its time relative to ours. Self-contained;
// it follows the reader's light or dark theme.

import { ask, median, short } from "./report.mjs";
import { kindText, modelText } from "./works.mjs";

const width = 880;
const margin = 24;
const gap = 32;
const bar = 14;
const pitch = 21;
const labels = 126;
/** Bars end here; what takes longer is cut, and its number says how long. */
const longest = 6;

const style = `
  text { font: 12px system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, sans-serif; fill: #1f2328; }
  .title { font-size: 18px; font-weight: 600; }
  .panel { font-size: 13px; font-weight: 600; }
  .soft { fill: #59636e; }
  .value { font-variant-numeric: tabular-nums; }
  .strong { font-weight: 600; }
  .paper { fill: #ffffff; }
  .rule { stroke: #d1d9e0; }
  .ours { fill: #0f766e; }
  .wasm { fill: #5eaaa3; }
  .peer { fill: #b6bec8; }
  .cut { stroke: #ffffff; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .soft { fill: #9198a1; }
    .paper { fill: #0d1117; }
    .rule { stroke: #3d444d; }
    .ours { fill: #2dd4bf; }
    .wasm { fill: #257a72; }
    .peer { fill: #4b5563; }
    .cut { stroke: #0d1117; }
  }`;

const escaped = (text) => text.replace(/[&<>]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[c]);
const text = (x, y, content, kind = "", anchor = "start") =>
  `<text x="${x}" y="${y}" class="${kind}" text-anchor="${anchor}">${escaped(content)}</text>`;

/** Each contestant with as many threads as we use (else what it has), ours first, then the fastest first. */
function barsOf(row, { contestants, threads }) {
  const shown = contestants.filter(
    (c) =>
      row.times[c.id] !== undefined &&
      ["ours", "wasm", "peer", "tfjs", "onnxNode"].includes(c.role) &&
      (c.threads === threads || c.role === "tfjs"),
  );
  const bars = shown.map(({ name, role, id }) => ({ name, role, ms: median(row.times[id]) }));
  return bars.sort((a, b) => Number(b.role === "ours") - Number(a.role === "ours") || a.ms - b.ms);
}

function drawPanel(row, bars, x, y, panelWidth) {
  const [{ ms: ours }] = bars;
  const scale = (panelWidth - labels - 124) / longest;
  const model = modelText(row.work).replace(/ → Dense \d+$/, "");
  const parts = [text(x, y, model, "panel"), text(x, y + 16, kindText(row), "soft")];
  for (const [i, { name, role, ms }] of bars.entries()) {
    const top = y + 28 + i * pitch;
    const ratio = ms / ours;
    const length = Math.max(2, Math.min(ratio, longest) * scale);
    const kind = role === "ours" || role === "wasm" ? role : "peer";
    parts.push(
      text(
        x + labels - 8,
        top + 11,
        name.replace("TensorFlow.js wasm", "TensorFlow.js"),
        role === "ours" ? "strong" : "",
        "end",
      ),
    );
    parts.push(
      `<rect x="${x + labels}" y="${top}" width="${length.toFixed(1)}" height="${bar}" rx="2" class="${kind}"/>`,
    );
    if (ratio > longest) {
      const at = x + labels + length - 14;
      parts.push(
        `<path d="M${at} ${top + bar + 2}l5 -${bar + 4}m4 0l-5 ${bar + 4}" class="cut" stroke-width="2"/>`,
      );
    }
    const value = role === "ours" ? `${short(ms)} ms` : `${short(ratio)} ×`;
    parts.push(text(x + labels + length + 6, top + 11, value, `value ${role === "ours" ? "strong" : ""}`));
    if (role !== "ours") parts.push(text(x + panelWidth, top + 11, `${short(ms)} ms`, "soft value", "end"));
  }
  return parts.join("\n");
}

/** The picture as SVG text. */
export function picture(results) {
  const { ours } = ask(results);
  const panels = results.rows
    .filter((row) => row.kind !== "fit" && !row.work.startsWith("M") && ours(row) !== undefined)
    .map((row) => ({ row, bars: barsOf(row, results) }));
  const panelWidth = (width - 2 * margin - gap) / 2;
  const parts = [];
  let y = 96;
  for (let i = 0; i < panels.length; i += 2) {
    const pair = panels.slice(i, i + 2);
    for (const [j, { row, bars }] of pair.entries()) {
      parts.push(drawPanel(row, bars, margin + j * (panelWidth + gap), y, panelWidth));
    }
    y += 28 + Math.max(...pair.map(({ bars }) => bars.length)) * pitch + 34;
  }
  const { machine, threads, date, rounds } = results;
  const many = threads === 1 ? "one thread" : `${threads} threads`;
  const conditions = `${machine.cpu}, ${many}; medians of ${rounds} rounds; ${date.slice(0, 10)}`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y - 6}" width="${width}" height="${y - 6}" role="img" aria-label="Times relative to Rondo's">
<style>${style}
</style>
<rect width="100%" height="100%" class="paper"/>
${text(margin, 36, "Recurrent networks on the CPU: time relative to Rondo", "title")}
${text(margin, 56, conditions, "soft")}
<line x1="${margin}" x2="${width - margin}" y1="70" y2="70" class="rule"/>
${parts.join("\n")}
</svg>
`;
}
