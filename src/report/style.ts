import { signColours } from "./pictures.js";

const { above, below } = signColours;

/** The report's looks: light and dark by the reader's setting, ink-saving on paper. */
export const style: string = `
:root {
  color-scheme: light dark;
  --paper: #fbfaf8; --card: #ffffff; --ink: #1d1f24; --soft: #666b76; --line: #e4e1db;
  --train: #2f6fd0; --held-out: #d2691e; --hit: 47, 111, 208; --miss: 214, 90, 30;
  --tone0: #2f6fd0; --tone1: #d2691e; --tone2: #23875a; --tone3: #b3348f; --tone4: #7a5ad0; --tone5: #947000;
  --tone6: #0f8296; --tone7: #5f6672; --digits: invert(1); --heat: none;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #15171b; --card: #1d2026; --ink: #e8e6e1; --soft: #9aa0ac; --line: #32363f;
    --train: #7fb0ff; --held-out: #f2a45c; --hit: 90, 150, 240; --miss: 240, 130, 60;
    --tone0: #7fb0ff; --tone1: #f2a45c; --tone2: #5ec798; --tone3: #ef86cf; --tone4: #b59cff; --tone5: #d9b648;
    --tone6: #56c7da; --tone7: #a9b0bd; --digits: none; --heat: brightness(1.6);
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 48px 28px 64px; max-width: 1120px; background: var(--paper); color: var(--ink);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  font-variant-numeric: tabular-nums;
}
header { margin-bottom: 28px; }
h1 { font-size: 34px; line-height: 1.15; letter-spacing: -0.02em; margin: 0 0 6px; }
h2 { font-size: 19px; letter-spacing: -0.01em; margin: 44px 0 12px; }
h3 { font-size: 15px; margin: 20px 0 8px; }
h1, h2, h3 { overflow-wrap: anywhere; }
p { margin: 0 0 12px; max-width: 70ch; }
.soft, figcaption, th { color: var(--soft); }
.headline { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin: 0; }
.headline div, .chart, .card {
  background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 14px 18px;
}
.headline dt { color: var(--soft); font-size: 13px; }
.headline dd { margin: 0; font-size: 25px; font-weight: 600; letter-spacing: -0.02em; line-height: 1.3; white-space: nowrap; }
.headline .note { font-size: 13px; font-weight: 400; letter-spacing: 0; color: var(--soft); white-space: normal; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 340px), 1fr)); gap: 16px; align-items: start; }
.columns > * { min-width: 0; }
figure { margin: 0; }
figcaption { font-size: 14px; font-weight: 600; }
.chart { container-type: inline-size; }
.columns > .chart:only-child { max-width: 640px; }
.chart > div { margin-top: 10px; }
.chart > div svg { display: block; width: 100%; height: auto; font-variant-numeric: tabular-nums; }
.chart .narrow { max-width: 400px; }
.chart .wide { display: none; max-width: 600px; }
@container (min-width: 400px) { .chart .narrow { display: none; } .chart .wide { display: block; } }
.legend { display: flex; flex-wrap: wrap; gap: 4px 20px; margin: 8px 0 0; padding: 0; list-style: none; font-size: 13px; }
.legend li { display: flex; min-width: 0; overflow-wrap: anywhere; }
.legend svg { flex: none; margin: 4px 7px 0 0; }
.heat image, .ramp i { filter: var(--heat); }
.ramp i { display: inline-block; width: 80px; height: 12px; border: 1px solid var(--line); vertical-align: -1px; background: linear-gradient(to right, rgb(${below.join(", ")}), transparent, rgb(${above.join(", ")})); }
.input { width: 112px; margin: 0 0 12px; }
.input figcaption { font-weight: 400; font-size: 13px; }
.scroll { overflow-x: auto; }
details { margin-top: 16px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th { font-weight: 500; text-align: left; }
td, th { padding: 5px 8px; }
.rows td, .rows th { border-top: 1px solid var(--line); }
.rows thead th, .settings tr:first-child > * { border-top: 0; }
.rows tfoot td, .rows tfoot th { border-top: 2px solid var(--line); font-weight: 600; }
.number { text-align: right; }
td.number { white-space: nowrap; }
.rows thead th { vertical-align: bottom; }
.settings th { width: 40%; font-weight: 400; vertical-align: top; }
.settings td { overflow-wrap: anywhere; }
.settings a { color: var(--train); }
.confusion { border-spacing: 2px; border-collapse: separate; font-size: 13px; white-space: nowrap; }
.confusion td { text-align: center; min-width: 26px; padding: 7px 3px; border-radius: 4px; }
.confusion th { text-align: center; padding: 4px 3px; }
.confusion tr > th:first-child {
  position: sticky; left: 0; padding-right: 8px; background: var(--card); text-align: right;
}
.confusion div { width: max-content; max-width: 130px; margin-left: auto; white-space: normal; overflow-wrap: break-word; }
.confusion .upright {
  writing-mode: vertical-rl; transform: rotate(180deg); max-height: 240px; text-align: left;
  overflow: hidden; text-overflow: ellipsis;
}
.confusion .over { text-align: left; }
.confusion thead th { vertical-align: bottom; }
.confusion .hit { background: rgba(var(--hit), calc(0.08 + 0.5 * var(--share))); font-weight: 600; }
.confusion .miss { background: rgba(var(--miss), calc(0.06 + 0.6 * var(--share))); }
.confusion .none { color: var(--line); }
.confusion.dense { font-size: 11px; }
.scroll .dense td { min-width: 22px; padding: 5px 2px; }
.steps { width: auto; font-size: 13px; white-space: nowrap; }
.steps th, .steps td { padding: 3px 8px; }
.steps td { text-align: center; min-width: 38px; border-radius: 4px; }
.steps th[rowspan] { vertical-align: top; padding-right: 14px; }
.steps tbody:not(:first-child)::before { content: ""; display: table-row; height: 14px; }
.steps .wrong { background: rgba(var(--miss), 0.3); font-weight: 600; text-decoration: underline; }
.marked p { max-width: none; overflow-wrap: anywhere; line-height: 2; }
.marked mark { color: inherit; padding: 2px 4px; border-radius: 4px; margin: 0 1px; }
.marked .right { background: rgba(var(--hit), 0.18); }
.marked .wrong { background: rgba(var(--miss), 0.32); text-decoration: line-through; }
.marked .missed { background: none; outline: 1px dashed rgb(var(--miss)); }
.marked mark b, .marked mark i { font-size: 11px; font-style: normal; padding: 0 2px; text-decoration: none; display: inline-block; }
.mistakes { display: grid; grid-template-columns: repeat(auto-fill, minmax(92px, 1fr)); gap: 12px; }
.mistakes figure { text-align: center; }
.mistakes div, .input div { border-radius: 8px; border: 1px solid var(--line); overflow: hidden; }
.mistakes img, .input img { display: block; width: 100%; image-rendering: pixelated; filter: var(--digits); }
.mistakes img { aspect-ratio: 1; }
.mistakes figcaption { font-weight: 400; font-size: 13px; line-height: 1.35; margin-top: 4px; }
.mistakes b { color: var(--ink); font-weight: 600; }
.mistakes .wrong { color: var(--held-out); }
pre { margin: 0; font: 13px/1.45 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
pre.text { white-space: pre-wrap; overflow-wrap: anywhere; }
details summary { cursor: pointer; color: var(--soft); }
details[open] summary { margin-bottom: 8px; }
footer { margin-top: 48px; padding-top: 14px; border-top: 1px solid var(--line); color: var(--soft); font-size: 13px; }
@media (max-width: 500px) {
  body { padding: 28px 16px 40px; }
  h1 { font-size: 28px; }
  .headline { grid-template-columns: 1fr 1fr; }
  .headline div, .chart, .card { padding: 12px; }
  .headline dd { font-size: 22px; }
  table { font-size: 13px; }
  .scroll td, .scroll th { padding-left: 4px; padding-right: 4px; }
  .confusion { font-size: 12px; }
  .scroll .confusion td { padding: 6px 2px; }
}
@media print {
  :root {
    --paper: #fff; --card: #fff; --ink: #000; --soft: #555; --line: #ccc; --train: #1f5fc0; --held-out: #c05a10;
    --tone0: #1f5fc0; --tone1: #c05a10; --tone2: #1a7048; --tone3: #9c2479; --tone4: #6544bd; --tone5: #7d5f00;
    --tone6: #0b6b7c; --tone7: #505762; --hit: 47, 111, 208; --miss: 214, 90, 30; --digits: invert(1); --heat: none; color-scheme: light;
  }
  body { padding: 0 1px; max-width: none; font-size: 11px; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  h1 { font-size: 26px; }
  h2 { margin-top: 24px; font-size: 15px; }
  h3, figcaption { font-size: 11px; }
  h1, h2, h3, p { break-after: avoid; }
  .marked p { break-after: auto; }
  p, .headline div, .chart, .card, .mistakes figure, tr, .steps tbody { break-inside: avoid; }
  .card.marked, .card:has(.steps, .rows:not(.settings) tr:nth-child(12)) { break-inside: auto; }
  .card { box-decoration-break: clone; -webkit-box-decoration-break: clone; }
  .columns { grid-template-columns: 1fr 1fr; }
  .headline { grid-auto-flow: column; grid-auto-columns: minmax(min-content, 1fr); grid-template-columns: none; gap: 8px; }
  .headline dd { font-size: 16px; }
  .headline dt, .headline .note { font-size: 10px; }
  .headline div, .chart, .card { padding: 8px 10px; }
  .chart .narrow, .chart .wide { max-width: 290px; }
  .legend, .mistakes figcaption, .input figcaption, footer { font-size: 10px; }
  .input { width: 80px; }
  table, .confusion, .steps { font-size: 10px; }
  pre { font-size: 9px; }
  td, th { padding: 3px 5px; }
  .confusion { border-spacing: 1px; }
  .scroll .confusion td { min-width: 0; padding: 4px 0; }
  .scroll .confusion th { padding: 3px 0; }
  .confusion.dense { font-size: 8px; }
  .scroll .confusion.dense td { padding: 2px 0; }
  .marked mark b, .marked mark i { font-size: 8px; }
  details { display: none; }
  .mistakes { grid-template-columns: repeat(10, 1fr); }
}
`;
