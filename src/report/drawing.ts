import type { Config, Spec } from "vega";
import { RondoError } from "../errors.js";
import { Html, html } from "./html.js";

/** A size in which a picture is drawn: text stays legible where the page shows it a little smaller or larger. */
export interface Size {
  /** The class of its place in the page; the page shows one of them. */
  readonly name: "narrow" | "wide";
  /** Pixels: of the whole picture, of what lies between its axes, and of letters. */
  readonly width: number;
  readonly height: number;
  readonly letters: number;
  /** About how many ticks an axis has room for. */
  readonly ticks: { readonly across: number; readonly down: number };
}

const sizes: readonly Size[] = [
  { name: "narrow", width: 300, height: 180, letters: 13, ticks: { across: 4, down: 4 } },
  { name: "wide", width: 500, height: 230, letters: 13, ticks: { across: 8, down: 5 } },
];

/** Colours come from the page by CSS variables, so that one picture is light and dark. */
const themeOf = (letters: number): Config => ({
  background: "transparent",
  axis: {
    domain: false,
    ticks: false,
    labelPadding: 6,
    labelFont: "inherit",
    labelFontSize: letters,
    labelColor: "var(--soft)",
    labelOverlap: true,
    titleFont: "inherit",
    titleFontSize: letters,
    titleFontWeight: "normal",
    titleColor: "var(--soft)",
    titlePadding: 6,
    gridColor: "var(--line)",
  },
});

/**
 * A picture of the plotting library Vega as SVG, in two sizes, of which the page shows the one that fits.
 *
 * @param told what the picture shows, for readers who do not see it
 * @param specOf what is drawn; widths and heights of what lies between the axes are set
 * @throws RondoError where Vega is not installed
 */
export async function drawn(told: string, specOf: (size: Size) => Spec): Promise<Html> {
  const pictures: Html[] = [];
  for (const size of sizes) {
    const svg = await rendered({
      width: size.width,
      height: size.height,
      autosize: { type: "fit-x", contains: "padding" },
      config: themeOf(size.letters),
      ...specOf(size),
    });
    pictures.push(html`<div class="${size.name}" role="img" aria-label="${told}">${svg}</div>`);
  }
  return html`${pictures}`;
}

/** A picture as SVG. No part of it has an id, and nothing of it depends on what was drawn before: it is always the same. */
export async function rendered(spec: Spec): Promise<Html> {
  const { parse, View } = await vega();
  const view = new View(parse({ padding: 2, ...spec }), { renderer: "none" });
  try {
    return new Html(await view.toSVG());
  } finally {
    view.finalize();
  }
}

/** Whether pictures can be drawn here. */
export const canDraw = (): Promise<boolean> =>
  vega().then(
    () => true,
    () => false,
  );

/** How to get what pictures are drawn with. */
export const howToDraw = "npm install vega";

async function vega() {
  try {
    return await import("vega");
  } catch (error) {
    throw new RondoError(
      {
        where: "report",
        received: "no package vega, which draws the pictures of reports",
        expected: "that it is installed beside rondo",
        fix: `Run: ${howToDraw}`,
      },
      { cause: error },
    );
  }
}
