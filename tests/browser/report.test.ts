import type { Browser, Page } from "playwright-core";
import { Tensor } from "rondo";
import { tagScheme } from "rondo/data";
import {
  type CellValues,
  classification,
  entities,
  gates,
  generation,
  learningCurves,
  regression,
  renderReport,
  roc,
  type Section,
  table,
  tagging,
  transitions,
} from "rondo/report";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { chromium, describeWith } from "../machine.js";
import { launch, patience } from "./browser.js";

const positions = Array.from({ length: 15 }, (_, i) => i + 1);
const many = 40;

/** A report of a run with large and small figures, on samples of so many classes. */
function report(classes: number, name: (i: number) => string): Promise<string> {
  const truth = Array.from({ length: 12_000 }, (_, sample) => sample % classes);
  const output = truth.map((label, sample) =>
    Array.from({ length: classes }, (_, i) => (i === (label + (sample % 9 === 0 ? 1 : 0)) % classes ? 1 : 0)),
  );
  return renderReport({
    title: "A run",
    date: new Date(0),
    headline: [{ label: "Test accuracy", value: "0.9789" }],
    sections: [
      learningCurves({
        unit: "step",
        positions: positions.map((position) => 10_000 * position),
        values: {
          loss: positions.map((x) => 1e9 / x),
          val_loss: positions.map((x) => 1.1e9 / x),
          learningRate: positions.map((x) => 1e-7 / x),
          accuracy: positions.map((x) => 1 - 1 / x),
          val_accuracy: positions.map((x) => 1 - 1.1 / x),
        },
      }),
      classification(truth, output, { names: truth.slice(0, classes).map(name) }),
    ],
    configuration: { learningRate: 0.001 },
    environment: {},
  });
}

/** A report with a section of every other kind, of many lines, many samples, many steps. */
function others(): Promise<string> {
  const names = Array.from({ length: 9 }, (_, i) => `the training number ${i}`);
  const steps = Array.from({ length: 40 }, (_, step) => step);
  const tags = names.map((_, row) => steps.map((step) => (step + row) % 3));
  const scheme = tagScheme("BIOES", ["ORGANISATION", "PERSON", "A PLACE WITH A LONG NAME"]);
  /** An entity of two steps here and there. */
  const found = (place: number) => (place === 3 ? 1 : place === 4 ? 3 : place === 7 ? 8 : 0);
  const sections: readonly Section[] = [
    learningCurves(
      Object.fromEntries(
        names.map((name, i) => [
          name,
          { unit: "epoch" as const, positions, values: { loss: positions.map((x) => 10 ** (i - x)) } },
        ]),
      ),
      { logarithmic: ["loss"] },
    ),
    roc(
      steps.map((step) => (step < 15 ? 0 : 1)),
      steps.map((step) => (step * 7) % 40),
      { positive: "a class with a long name" },
    ),
    regression(
      steps.map((x) => 1e5 * x),
      steps.map((x) => -1e-3 * x),
      { "a model with a long name": steps.map((x) => -1e-3 * x), "least squares": steps },
    ),
    tagging(
      tags,
      tags.map((row) => row.map((tag) => (tag === 2 ? 1 : tag))),
      { names: ["O", "B-ORGANISATION", "I-ORGANISATION"], inputs: tags.map((row) => row.map(String)) },
    ),
    table({
      title: "A table",
      columns: ["what", ...steps.slice(0, 12).map((step) => `column ${step}`)],
      rows: names.map((name, i) => [name, ...steps.slice(0, 12).map((step) => step ** i)]),
    }),
    entities(
      names.map((_, row) => steps.map((step) => found((step + row) % 9))),
      names.map((_, row) => steps.map((step) => found((step * (row + 1)) % 9))),
      { tags: scheme, tokens: names.map(() => steps.map((step) => `word${step}`)), separator: " " },
    ),
    transitions(
      scheme.tags.map((_, i) => scheme.tags.map((_, k) => (i - k) * 10 ** (i % 3))),
      scheme.tags,
    ),
    gates([cell(40, 64), cell(40, 3)], {
      steps: steps.map((step) => (step % 3 === 0 ? "a-word-that-is-rather-long" : `w${step}`)),
      picture: [steps.map((step) => step / 40), steps.map((step) => 1 - step / 40)],
    }),
    gates([cell(10, 20)], { steps: steps.slice(0, 10).map((step) => (step / 40).toFixed(2)) }),
    gates([cell(1, 20)]),
    learningCurves({ unit: "epoch", positions: [1], values: { loss: [0.7], val_loss: [0.69] } }),
    learningCurves({
      unit: "step",
      positions,
      values: {
        loss: positions.map((x) => (x % 4 === 0 ? Number.NaN : 1 / x)),
        accuracy: positions.map(() => Number.NaN),
      },
    }),
    generation({
      texts: [
        {
          label: "Temperature 1",
          prompt: "To be",
          text: ` or not to be${" ".repeat(300)}${"x".repeat(400)}`,
        },
      ],
    }),
  ];
  return renderReport({
    title: "A run",
    date: new Date(0),
    headline: [
      { label: "Test error", value: "0.2604", note: "to reach: ≤ 1.05 × least squares error = 0.2711" },
    ],
    sections,
    configuration: {},
    environment: {},
  });
}

/** A report with many figures, and with a matrix of many tags. */
function printed(): Promise<string> {
  const { tags } = tagScheme("BIOES", ["NAME", "CONT", "RACE", "TITLE", "EDU", "ORG", "PRO", "LOC"]);
  return renderReport({
    title: "A run",
    date: new Date(0),
    headline: ["8,746,521", "4.766e-9", "38 min 32 s", "0.7190", "0.9098", "0.1832", "0.7948"].map(
      (value) => ({
        label: "New messages accuracy",
        value,
      }),
    ),
    sections: [
      transitions(
        tags.map((_, i) => tags.map((_, k) => (i - k) / 10)),
        tags,
      ),
    ],
    configuration: {},
    environment: {},
  });
}

/** What goes on in a cell: [1, T, H] each, from -2 to 2. */
function cell(T: number, H: number): CellValues {
  const wave = (rate: number) =>
    new Tensor(
      Float32Array.from({ length: T * H }, (_, i) => 2 * Math.sin(rate * i)),
      [1, T, H],
      "float32",
    );
  return {
    layer: "a_layer_with_a_long_name/forward_lstm",
    cell: "LSTMCell",
    values: { i: wave(0.1), f: wave(0.2), g: wave(0.3), o: wave(0.4), c: wave(0.5), h: wave(0.6) },
  };
}

/** In the page: what is too small to read, lies over other text, or sticks out of what holds it. */
function faults(): string[] {
  const found: string[] = [];
  const boxes = (selector: string) =>
    [...document.querySelectorAll(selector)]
      .map((element) => ({ element, text: element.textContent ?? "", box: element.getBoundingClientRect() }))
      // Vega leaves labels that would overlap in the picture, and makes them clear.
      .filter(({ element, box }) => box.width > 0 && getComputedStyle(element).opacity !== "0");
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) found.push("the page scrolls sideways");
  for (const figure of document.querySelectorAll("figure.chart")) {
    const card = figure.getBoundingClientRect();
    const texts = boxes("figure.chart text, figure.chart li, figure.chart figcaption").filter(({ element }) =>
      figure.contains(element),
    );
    const pictures = [...figure.querySelectorAll("[role=img]")].filter(
      (picture) => picture.getBoundingClientRect().width > 0,
    );
    const isEmpty = figure.querySelector("p") !== null;
    if (pictures.length !== (isEmpty ? 0 : 1))
      found.push(`"${figure.textContent}" shows ${pictures.length} pictures`);
    for (const picture of pictures) {
      const { width, height } = picture.getBoundingClientRect();
      if (width < 200 || height < 120) found.push(`a picture of ${width} × ${height} px`);
      if ((picture.getAttribute("aria-label") ?? "").length < 20) found.push("a picture that nobody tells");
    }
    for (const [i, { element, text, box }] of texts.entries()) {
      const isUpright = element.getAttribute("transform")?.includes("rotate") === true;
      const size = isUpright ? box.width : box.height;
      if (size < 12) found.push(`"${text}" is ${size} px high`);
      if (box.left < card.left || box.right > card.right || box.bottom > card.bottom)
        found.push(`"${text}" leaves its card`);
      for (const other of texts.slice(i + 1)) {
        const across = Math.min(box.right, other.box.right) - Math.max(box.left, other.box.left);
        const down = Math.min(box.bottom, other.box.bottom) - Math.max(box.top, other.box.top);
        if (across > 0 && down > 2) found.push(`"${text}" and "${other.text}" overlap`);
      }
    }
  }
  for (const { element, text } of boxes(".confusion td, .confusion th")) {
    if (element.scrollWidth > element.clientWidth || element.scrollHeight > element.clientHeight + 1)
      found.push(`"${text}" is larger than its cell`);
  }
  for (const { text, box } of boxes(".confusion tbody th")) {
    if (box.height > 60) found.push(`"${text}" is broken into ${box.height} px`);
  }
  for (const { text, box } of boxes("details summary")) {
    const scroller = document.querySelector("details");
    if (scroller !== null && scroller.scrollWidth > scroller.clientWidth) found.push(`"${text}" scrolls`);
    if (box.height === 0) found.push(`"${text}" is hidden`);
  }
  return found;
}

/** In the page: how far the colours of texts and lines of pictures are from the ground that they lie on (WCAG 2, contrast ratio). */
function contrasts(): { readonly what: string; readonly contrast: number }[] {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const brightness = (colour: string): number => {
    if (canvas === null) throw new Error("no canvas");
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const linear = [...canvas.getImageData(0, 0, 1, 1).data.slice(0, 3)].map((byte) => {
      const share = byte / 255;
      return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    const [red = 0, green = 0, blue = 0] = linear;
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  return [...document.querySelectorAll("figure.chart")].flatMap((figure) => {
    const ground = brightness(getComputedStyle(figure).backgroundColor);
    const parts = [...figure.querySelectorAll(".mark-line path, .mark-symbol path, text, figcaption, li")];
    return parts
      .filter((part) => part.getBoundingClientRect().width > 0)
      .map((part) => {
        const { fill, stroke, color } = getComputedStyle(part);
        const own = part instanceof HTMLElement ? color : stroke !== "none" ? stroke : fill;
        const [dark = 0, light = 0] = [brightness(own), ground].sort((a, b) => a - b);
        return { what: `${part.tagName} ${own}`, contrast: (light + 0.05) / (dark + 0.05) };
      });
  });
}

describeWith(chromium, "the report", (executable) => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch(executable);
  }, patience);
  afterAll(() => browser.close());

  it("fits a printed page", async () => {
    const page = await browser.newPage({ viewport: { width: 718, height: 1000 } });
    try {
      await page.emulateMedia({ media: "print" });
      for (const html of [await report(10, String), await printed()]) {
        await page.setContent(html);
        const cut = await page.$$eval(".scroll", (cards) =>
          cards.filter((card) => card.scrollWidth > card.clientWidth).map((card) => card.textContent),
        );
        expect(cut).toEqual([]);
        // What ends where the paper does loses its border.
        const edges = await page.$$eval(".card, .chart, .headline div", (boxes) =>
          boxes.map((box) => box.getBoundingClientRect().right),
        );
        expect(Math.max(...edges)).toBeLessThan(718);
        const lines = await page.$$eval(".headline dd:not(.note)", (values) =>
          values.map((value) => value.getBoundingClientRect().height),
        );
        expect(Math.max(...lines)).toBeLessThan(30);
      }
    } finally {
      await page.close();
    }
  });

  it("can be read in the dark and on paper, in the page's own colours", async () => {
    const page = await browser.newPage({ viewport: { width: 800, height: 800 } });
    try {
      await page.setContent(await others());
      const colours = () => page.evaluate(contrasts);
      for (const media of [
        { colorScheme: "light" },
        { colorScheme: "dark" },
        { media: "print", colorScheme: "dark" },
      ] as const) {
        await page.emulateMedia(media);
        const found = await colours();
        expect(found.length).toBeGreaterThan(20);
        for (const { what, contrast } of found)
          if (contrast < 3) expect.soft(`${what} has a contrast of ${contrast}`).toBe("one of 3");
      }
    } finally {
      await page.close();
    }
  });

  describe.each([
    ["ten digits", report(10, String)],
    ["many classes with long names", report(many, (i) => `${i} of the many classes`)],
    ["every other kind of section", others()],
  ])("of %s", (_, html) => {
    it.each([320, 375, 800, 1100])("can be read on %i pixels", async (width) => {
      const page: Page = await browser.newPage({ viewport: { width, height: 800 } });
      try {
        await page.setContent(await html);
        await page.click("details summary");
        expect(await page.evaluate(faults)).toEqual([]);
      } finally {
        await page.close();
      }
    });
  });
});
