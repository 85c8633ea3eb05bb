import { drawn, type Size } from "./drawing.js";
import { type Html, html } from "./html.js";
import { signedPicture } from "./pictures.js";

/** Numbers over two axes, as colours: their sign is the colour, their size its strength. */
export interface HeatMap {
  readonly title: string;
  /** What the picture shows in words, for readers who do not see it. */
  readonly told: string;
  readonly across: string;
  /** A label for each column. */
  readonly labels: readonly string[];
  readonly down: string;
  /** Equally long rows, the first at the top; NaN is left bare. */
  readonly rows: readonly (readonly number[])[];
  /** What has the full colour. */
  readonly most: number;
}

/** Longer labels stand upright. */
const mostLevel = 4;
/** Pixels of upright labels. */
const mostUpright = 130;

export async function heatMap({ title, told, across, labels, down, rows, most }: HeatMap): Promise<Html> {
  const url = signedPicture(rows, most);
  const isUpright = labels.some(({ length }) => length > mostLevel);
  const specOf = ({ ticks }: Size) => ({
    signals: [{ name: "labels", value: [...labels] }],
    scales: [
      { name: "x", type: "band" as const, domain: labels.map((_, i) => i), range: "width" as const },
      {
        name: "y",
        type: "linear" as const,
        domain: [rows.length + 0.5, 0.5],
        range: "height" as const,
        zero: false,
      },
    ],
    axes: [
      {
        scale: "x",
        orient: "bottom" as const,
        title: across,
        encode: { labels: { update: { text: { signal: "labels[datum.value]" } } } },
        ...(isUpright
          ? {
              labelAngle: -90,
              labelAlign: "right" as const,
              labelBaseline: "middle" as const,
              labelLimit: mostUpright,
            }
          : {}),
      },
      {
        scale: "y",
        orient: "left" as const,
        title: down,
        ...(rows.length <= 1 ? { values: [1] } : { tickCount: ticks.down }),
        tickMinStep: 1,
        format: "d",
      },
    ],
    marks: [
      {
        type: "image" as const,
        aria: false,
        encode: {
          update: {
            url: { value: url },
            x: { value: 0 },
            y: { value: 0 },
            width: { signal: "width" },
            height: { signal: "height" },
            aspect: { value: false },
            smooth: { value: false },
          },
        },
      },
      {
        type: "rect" as const,
        aria: false,
        encode: {
          update: {
            x: { value: 0 },
            y: { value: 0 },
            width: { signal: "width" },
            height: { signal: "height" },
            stroke: { value: "var(--line)" },
          },
        },
      },
    ],
  });
  return html`<figure class="chart heat">
<figcaption>${title}</figcaption>
${await drawn(told, specOf)}
</figure>`;
}
