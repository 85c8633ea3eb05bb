import type { Dim } from "../graph/dim.js";
import type { LayerCall } from "../layers/declared.js";
import { InputLayer } from "../layers/inputLayer.js";
import type { Layer } from "../layers/layer.js";
import { sizeOf } from "../tensor.js";
import type { Network } from "./network.js";

/** One row of the table. */
export interface SummaryRow {
  readonly name: string;
  readonly className: string;
  /** [batch, ..]; undefined before the layer is built. */
  readonly outputShape: readonly Dim[] | undefined;
  readonly parameters: number;
  /** Whether the layer has a row already: its parameters are counted there. */
  readonly again?: boolean;
  /** What it is called on, in the summary of a graph. */
  readonly connections?: string;
}

/** The rows of layers one after the other; as in Keras without what only tells the input's shape. */
export function chainRows(layers: readonly Layer[], network: Network | undefined): SummaryRow[] {
  const calls = [...(network?.calls ?? [])];
  const seen = new Set<Layer>();
  return layers.flatMap((layer) => {
    if (layer instanceof InputLayer) return [];
    const outputShape = calls.shift()?.outputs[0]?.shape;
    const again = seen.has(layer);
    seen.add(layer);
    const parameters = again || network === undefined ? 0 : parametersOf(layer);
    return [{ name: layer.name ?? "", className: layer.className, outputShape, parameters, again }];
  });
}

const parametersOf = (layer: Layer): number => layer.weights().reduce((n, w) => n + sizeOf(w.shape), 0);

/** The rows of a graph of layers: each once, with what it is called on. */
export function graphRows({ layers, calls, inputs }: Network): SummaryRow[] {
  return layers.map((layer) => {
    const own = calls.filter((call) => call.layer === layer);
    const port = inputs.find(({ value }) => value.call.layer === layer);
    const connections = own.flatMap((call) =>
      call.inputs.map(({ call: from, index }) => `${from.layer.name}[${nodeOf(from, calls)}][${index}]`),
    );
    return {
      name: layer.name ?? "",
      className: layer.className,
      outputShape: own[0]?.outputs[0]?.shape ?? port?.value.shape,
      parameters: parametersOf(layer),
      connections: connections.length === 0 ? "-" : connections.join(", "),
    };
  });
}

/** Which of its layer's calls one is. */
const nodeOf = (call: LayerCall, calls: readonly LayerCall[]): number =>
  Math.max(0, calls.filter(({ layer }) => layer === call.layer).indexOf(call));

export interface SummaryCounts {
  readonly trainable: number;
  readonly fixed: number;
}

/** Widths of the columns, as Keras prints them on a terminal of 80 columns. */
const widths = [33, 24, 15] as const;
const headings = ["Layer (type)", "Output Shape", "Param #"] as const;
/** The same where layers are connected as a graph. */
const graphWidths = [24, 19, 13, 19] as const;
const graphHeadings = [...headings, "Connected to"] as const;

/** A model's summary as Keras prints it. */
export function summaryText(model: string, rows: readonly SummaryRow[], counts: SummaryCounts): string {
  const connected = rows.some(({ connections }) => connections !== undefined);
  const columns: readonly number[] = connected ? graphWidths : widths;
  const rule = (left: string, fill: string, middle: string, right: string) =>
    `${left}${columns.map((width) => fill.repeat(width)).join(middle)}${right}`;
  const line = (cells: readonly string[], edge: string) =>
    `${edge}${cells.map((cell, i) => ` ${pad(cell, (columns[i] ?? 2) - 2, i === 2)} `).join(edge)}${edge}`;

  const body = rows.map((row) => {
    const cells = [
      `${row.name} (${row.className})${row.again === true ? ", again" : ""}`,
      row.outputShape === undefined ? "?" : shapeText(row.outputShape),
      row.outputShape === undefined ? "0 (unbuilt)" : grouped(row.parameters),
      ...(connected ? [row.connections ?? "-"] : []),
    ].map((text, i) => wrap(text, (columns[i] ?? 2) - 2));
    const height = Math.max(...cells.map((lines) => lines.length));
    return Array.from({ length: height }, (_, k) =>
      line(
        cells.map((lines) => lines[k] ?? ""),
        "│",
      ),
    ).join("\n");
  });
  const { trainable, fixed } = counts;
  return [
    `Model: "${model}"`,
    rule("┏", "━", "┳", "┓"),
    line(connected ? graphHeadings : headings, "┃"),
    rule("┡", "━", "╇", "┩"),
    body.join(`\n${rule("├", "─", "┼", "┤")}\n`),
    rule("└", "─", "┴", "┘"),
    ` Total params: ${countText(trainable + fixed)}`,
    ` Trainable params: ${countText(trainable)}`,
    ` Non-trainable params: ${countText(fixed)}`,
  ].join("\n");
}

const pad = (text: string, width: number, right: boolean): string =>
  right ? text.padStart(width) : text.padEnd(width);

/** Words on as many lines as they need; a word longer than a line is cut. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const cut = word.length > width ? `${word.slice(0, width - 1)}…` : word;
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + cut.length <= width)
      lines[lines.length - 1] = `${last} ${cut}`;
    else lines.push(cut);
  }
  return lines;
}

/** `(None, 28, 64)`; sizes that are not fixed are None. */
const shapeText = (shape: readonly Dim[]): string =>
  `(${shape.map((d) => (typeof d === "number" ? d : "None")).join(", ")}${shape.length === 1 ? "," : ""})`;

const grouped = (count: number): string => count.toLocaleString("en-US");
const countText = (count: number): string => `${grouped(count)} (${byteText(count * 4)})`;

/** `142.79 KB`: units of 1,024, two decimals. */
function byteText(bytes: number): string {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${value.toFixed(2)} ${units[unit]}`;
}
