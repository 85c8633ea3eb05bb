import { checkCount, checkList, checkOptions, namesOf, RondoError } from "../../errors.js";
import { shapeText, type Tensor, type TensorLike, toTensor } from "../../tensor.js";
import type { CellValues } from "../cellValues.js";
import { plot, tone } from "../chart.js";
import { heatMap } from "../heatMap.js";
import { type Html, html } from "../html.js";
import { greyPicture } from "../pictures.js";
import { figure, heading } from "../words.js";

// T time steps, H units.

/** What goes on in recurrent cells while they read one input. */
export interface Gates {
  readonly kind: "gates";
  readonly title: string;
  /** A sentence or two above the pictures. */
  readonly note?: string;
  /** T labels, one for each step that is shown. */
  readonly steps: readonly string[];
  readonly cells: readonly GatedCell[];
  /** float32 [height, width] from 0 to 1, where the input is a picture. */
  readonly picture?: Tensor;
}

/** What goes on in one cell. */
export interface GatedCell {
  /** The layer, by the names in the model. */
  readonly layer: string;
  /** The cell's class: `LSTMCell`. */
  readonly cell: string;
  /** By the letters of the equations, [T][H] each: NaN at steps that do not count. */
  readonly values: Readonly<Record<string, readonly (readonly number[])[]>>;
}

/** What `gates` can be told. */
export interface GatesOptions {
  /** Which of the inputs to show; default: the first, 0. */
  readonly sample?: number;
  /** Default: `Gates over time`, or `States over time` where no cell has gates. */
  readonly title?: string;
  /** A sentence or two above the pictures: which input this is. */
  readonly note?: string;
  /** What the steps hold, in a word each; default: their numbers from 1. */
  readonly steps?: readonly (string | number)[];
  /** [height, width] from 0 to 1, where the input is a picture, to be seen beside the gates. */
  readonly picture?: TensorLike;
}

const where = "gates";
const optionNames = namesOf<GatesOptions>({
  sample: true,
  title: true,
  note: true,
  steps: true,
  picture: true,
});

/**
 * The gates, candidates and states of recurrent cells over the time steps of one input: heat maps of units over steps, or
 * lines where units are few. Steps after the last one that counts are left out.
 *
 * @param values what `cellValues` gives
 * @throws RondoError where there is no such sample, or steps are fewer or more than the values have
 */
export function gates(values: readonly CellValues[], options: GatesOptions = {}): Gates {
  checkOptions(where, options, optionNames);
  const { sample = 0, note, steps } = options;
  checkList(where, values, "a list of what goes on in cells", "Pass what cellValues gives: await it first");
  checkCount(where, "sample", sample, 0);
  const hasGates = values.some((cell) => Object.keys(cell.values).some((letter) => letter !== "h"));
  const title = options.title ?? (hasGates ? "Gates over time" : "States over time");
  const [first] = values;
  const [N = 0, T = 0] = Object.values(first?.values ?? {})[0]?.shape ?? [];
  if (sample >= N)
    throw refused(
      `sample ${sample}`,
      `one of ${N}, counted from 0`,
      "Choose one of the inputs of cellValues",
    );
  const mask = first?.mask?.data.subarray(sample * T, (sample + 1) * T);
  const counts = (t: number) => (mask?.[t] ?? 1) !== 0;
  const length = Array.from({ length: T }, (_, t) => t).findLast(counts) ?? -1;
  const labels: readonly (string | number)[] = steps ?? Array.from({ length: length + 1 }, (_, t) => t + 1);
  checkList(where, labels, "a list of labels", "Give every step what it holds, in a word", " for steps");
  if (labels.length !== T && labels.length !== length + 1)
    throw refused(
      `${labels.length} labels for steps`,
      length + 1 === T ? `${T}` : `${T}, or ${length + 1} without the steps that do not count`,
      "Give every step what it holds, in a word",
    );
  return {
    kind: "gates",
    title,
    ...(note === undefined ? {} : { note }),
    steps: labels.slice(0, length + 1).map(String),
    cells: values.map(({ layer, cell, values: tensors }) => ({
      layer,
      cell,
      values: Object.fromEntries(
        Object.entries(tensors).map(([letter, { data, shape }]) => {
          const H = shape[2] ?? 0;
          const row = (t: number) =>
            Array.from(data.subarray((sample * T + t) * H, (sample * T + t + 1) * H));
          const rows = Array.from({ length: length + 1 }, (_, t) => row(t));
          return [letter, rows.map((units, t) => (counts(t) ? units : units.map(() => Number.NaN)))];
        }),
      ),
    })),
    ...(options.picture === undefined ? {} : { picture: pictureOf(options.picture) }),
  };
}

const refused = (received: string, expected: string, fix: string): RondoError =>
  new RondoError({ where, received, expected, fix });

function pictureOf(given: TensorLike): Tensor {
  const picture = toTensor(`${where}, picture`, given);
  if (picture.rank === 2) return picture;
  throw refused(
    `a picture of shape ${shapeText(picture.shape)}`,
    "[height, width]",
    "Reshape it, or leave it out",
  );
}

/** What the letters of the built-in cells' equations stand for. */
const meanings: Readonly<Record<string, string>> = {
  i: "input gate",
  f: "forget gate",
  o: "output gate",
  z: "update gate",
  r: "reset gate",
  g: "candidate",
  c: "cell state",
  h: "hidden state",
};

/** Units up to this many are lines; more are rows of a heat map. */
const mostLines = 6;

export async function drawGates({ title, note, steps, cells, picture }: Gates): Promise<Html> {
  if (steps.length === 0) return html``;
  const drawings = await Promise.all(cells.map((cell) => drawCell(cell, steps)));
  const shown =
    picture === undefined
      ? ""
      : html`<figure class="input"><div><img src="${greyPicture(picture)}" alt="the input"></div><figcaption>the input</figcaption></figure>`;
  return html`<section>
<h2>${title}</h2>
${note === undefined ? "" : html`<p class="soft">${note}</p>`}
${shown}${drawings}
</section>`;
}

async function drawCell({ layer, cell, values }: GatedCell, steps: readonly string[]): Promise<Html> {
  const all = Object.entries(values);
  const H = all[0]?.[1][0]?.length ?? 0;
  const pictures = await Promise.all(
    all.map(([letter, rows]) => (H > mostLines ? drawMap(letter, rows, steps) : drawLines(letter, rows))),
  );
  const ramp =
    H > mostLines
      ? html`<p class="soft ramp">Each row is a unit. Colours: −1 <i></i> 1, or as a title says; 0 is bare.</p>`
      : "";
  return html`<h3>${layer}: ${cell.replace(/Cell$/, "")} of ${H} units</h3>
${ramp}
<div class="columns">${pictures}</div>
<details class="card">
<summary>Values of every step</summary>
<div class="scroll">${valuesTable(all, H, steps)}</div>
</details>`;
}

const titleOf = (letter: string): string => heading(`${meanings[letter] ?? ""} ${letter}`.trim());

/** [T][H] as a picture of H rows. */
function drawMap(
  letter: string,
  rows: readonly (readonly number[])[],
  steps: readonly string[],
): Promise<Html> {
  const { least, mean, most } = sizesOf(rows.flat());
  const largest = Math.max(Math.abs(least), Math.abs(most));
  const scale = largest > 1 ? `, full colour at ±${figure(largest)}` : "";
  const [begin, end] = [rows[0], rows.at(-1)].map((row) => figure(sizesOf(row ?? []).mean));
  const units = rows[0]?.length ?? 0;
  return heatMap({
    title: `${titleOf(letter)}${scale}`,
    told: `${titleOf(letter)} of ${units} units over ${rows.length} time steps: from ${figure(least)} to ${figure(most)}, ${figure(mean)} in the mean; the mean of the units goes from ${begin} to ${end}`,
    across: steps.every((label, t) => label === String(t + 1)) ? "time step" : "input of each time step",
    labels: steps,
    down: "unit",
    rows: Array.from({ length: units }, (_, unit) => rows.map((row) => row[unit] ?? Number.NaN)),
    most: Math.max(1, largest),
  });
}

const drawLines = (letter: string, rows: readonly (readonly number[])[]): Promise<Html> =>
  plot({
    title: titleOf(letter),
    across: "time step",
    counts: true,
    lines: (rows[0] ?? []).map((_, unit) => ({
      name: `unit ${unit + 1}`,
      look: tone(unit),
      points: rows.map((row, t) => ({ x: t + 1, y: row[unit] ?? Number.NaN })),
    })),
  });

function valuesTable(
  all: readonly (readonly [string, readonly (readonly number[])[]])[],
  H: number,
  steps: readonly string[],
): Html {
  const heads =
    H > mostLines ? ["least", "mean", "most"] : Array.from({ length: H }, (_, unit) => `unit ${unit + 1}`);
  const cells = (row: readonly number[]): readonly number[] => {
    if (H <= mostLines) return row;
    const { least, mean, most } = sizesOf(row);
    return [least, mean, most];
  };
  const rows = all.flatMap(([letter, values]) =>
    values.map(
      (row, t) =>
        html`<tr><th scope="row">${titleOf(letter)}</th><td>${t + 1}</td><td>${steps[t] ?? ""}</td>${cells(row).map((value) => html`<td class="number">${Number.isNaN(value) ? "" : figure(value)}</td>`)}</tr>`,
    ),
  );
  return html`<table class="rows">
<thead><tr><th>value</th><th>step</th><th>input</th>${heads.map((head) => html`<th class="number">${head}</th>`)}</tr></thead>
<tbody>${rows}</tbody>
</table>`;
}

/** Of what is a number; NaN where nothing is. */
function sizesOf(values: readonly number[]) {
  const known = values.filter((value) => !Number.isNaN(value));
  const none = { least: Number.NaN, mean: Number.NaN, most: Number.NaN };
  if (known.length === 0) return none;
  return {
    least: known.reduce((a, b) => Math.min(a, b)),
    mean: known.reduce((a, b) => a + b) / known.length,
    most: known.reduce((a, b) => Math.max(a, b)),
  };
}
