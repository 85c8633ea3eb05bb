import { gzipSync } from "node:zlib";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { digitFiles, folders, type Served, serve } from "../../examples/browser/serve.mjs";
import { chromium, describeWith } from "../machine.js";
import { launch, patience, visit } from "./browser.js";

const path = "/examples/browser/";

/** Fills in the form and presses Train. */
async function train(page: Page, settings: Readonly<Record<string, number>>): Promise<void> {
  await page.waitForSelector("#train:enabled");
  for (const [name, value] of Object.entries(settings)) {
    await page.fill(`input[name="${name}"]`, String(value));
  }
  await page.click("#train");
}

const statusIs = (page: Page, text: RegExp) =>
  page.waitForFunction(
    (source) => new RegExp(source).test(document.getElementById("status")?.textContent ?? ""),
    text.source,
  );

/** In the page: notes how the progress moves, and how many frames the browser draws meanwhile. */
function watch(): void {
  const progress = document.querySelector("progress");
  const seen: number[] = [];
  let frames = 0;
  const frame = () => {
    frames++;
    requestAnimationFrame(frame);
  };
  if (progress === null) throw new Error("no progress");
  new MutationObserver(() => {
    if (seen.length === 0) frame();
    seen.push(progress.value);
    Object.assign(globalThis, { watched: { seen, frames } });
  }).observe(progress, { attributes: true });
}

/** In the page: drops files of these addresses on it. */
async function drop(names: readonly string[]): Promise<void> {
  const dataTransfer = new DataTransfer();
  for (const name of names) {
    dataTransfer.items.add(new File([await (await fetch(name)).blob()], name));
  }
  dispatchEvent(new DragEvent("drop", { dataTransfer }));
}

interface Watched {
  /** The progress from 0 to 1 at every change. */
  readonly seen: readonly number[];
  readonly frames: number;
}

describeWith(chromium, "the example", (executable) => {
  let browser: Browser;
  let files: Record<string, Uint8Array>;
  beforeAll(async () => {
    browser = await launch(executable);
    files = await digitFiles(300);
  }, patience);
  afterAll(() => browser.close());

  describe.each([
    { mode: "with threads", isolated: true, backend: /^Runs on wasm [a-z0-9-]+, \d+ threads?$/ },
    { mode: "without threads", isolated: false, backend: /^Runs on wasm [a-z0-9-]+, 1 thread$/ },
  ])("$mode", ({ isolated, backend }) => {
    let server: Served;
    beforeAll(async () => {
      server = await serve({ folders, files, isolated });
    });
    afterAll(() => server.close());

    it("trains with progress and a free page, draws the curves and reads a drawing", async () => {
      await visit(browser, server.url + path, async (page) => {
        await page.evaluate(watch);
        await train(page, { digits: 200, epochs: 6, units: 32, seed: 1 });
        await statusIs(page, /^Trained for 6 epochs over 200 digits/);
        expect(await page.textContent("#backend")).toMatch(backend);

        const { seen, frames } = (await page.evaluate("watched")) as Watched;
        expect(seen).toEqual(Array.from({ length: 60 }, (_, step) => expect.closeTo((step + 1) / 60)));
        expect(frames).toBeGreaterThan(1);

        const curves = await page.$$eval("polyline", (lines) =>
          lines.map((line) => line.getAttribute("points")?.split(" ").length),
        );
        expect(curves).toEqual([6, 6, 6, 6]); // loss and accuracy, of training and validation, in each epoch
        expect(await page.textContent("#accuracy")).toMatch(/^\d+\.\d %$/);
        expect(await page.locator("figure.right").count()).toBeGreaterThan(0);

        const box = await page.locator("#canvas").boundingBox();
        if (box === null) throw new Error("no canvas");
        const middle = box.x + box.width / 2;
        await page.mouse.move(middle, box.y + 0.2 * box.height);
        await page.mouse.down();
        await page.mouse.move(middle, box.y + 0.8 * box.height, { steps: 5 });
        await page.mouse.up();
        expect(await page.textContent("#answer")).toMatch(/^Read as \d, in \d+\.\d ms\.$/);
        expect(await page.locator("#scores .best").count()).toBe(1);
        await page.click("#clear");
        expect(await page.locator("#scores .best").count()).toBe(0);
      });
    });

    it("stops when told to, and keeps what it has", async () => {
      await visit(browser, server.url + path, async (page) => {
        await train(page, { digits: 200, epochs: 200, units: 32, seed: 1 });
        await statusIs(page, /^Epoch \d+ of 200/);
        await page.click("#train");
        await statusIs(page, /^Stopped after \d+ epochs? over 200 digits/);
        const points = await page.getAttribute("polyline.train", "points");
        expect(points?.split(" ").length).toBeLessThan(200);
        expect(await page.textContent("#train")).toBe("Train");
      });
    });
  });

  it.each([320, 375])(
    "fits a screen of %i pixels: nothing sticks out, text and bars can be read",
    async (width) => {
      const server = await serve({ folders, files, isolated: false });
      try {
        await visit(browser, server.url + path, async (page) => {
          await page.setViewportSize({ width, height: 700 });
          await train(page, { digits: 100, epochs: 1, units: 8, seed: 1 });
          await statusIs(page, /^Trained for 1 epoch over/);
          expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(width);
          const heights = await page.$$eval("svg text", (texts) =>
            texts.map((text) => text.getBoundingClientRect().height),
          );
          expect(Math.min(...heights)).toBeGreaterThan(11);
          await page.$eval("#scores li", (row) => (row as HTMLElement).style.setProperty("--score", "1"));
          expect((await page.locator("#scores i").first().boundingBox())?.width).toBeGreaterThan(100);
        });
      } finally {
        await server.close();
      }
    },
  );

  it("takes files of digits, gzipped or not, and says what is wrong with others", async () => {
    const server = await serve({ folders, files, isolated: false });
    const [images = new Uint8Array(), labels = new Uint8Array()] = Object.values(await digitFiles(60));
    const choose = (page: Page, ...contents: readonly Uint8Array[]) =>
      page.setInputFiles(
        "#files",
        contents.map((content, i) => ({
          name: `file${i}`,
          mimeType: "application/octet-stream",
          buffer: Buffer.from(content),
        })),
      );
    try {
      await visit(browser, server.url + path, async (page) => {
        await statusIs(page, /^300 digits are here/);
        await choose(page, labels, gzipSync(images));
        await statusIs(page, /^60 digits are here/);
        await choose(page, images);
        await statusIs(page, /^Two files are needed/);
        await choose(page, Buffer.from("no digits at all"), labels);
        await statusIs(page, /^This is no IDX file/);
        await choose(page, images.subarray(0, 1000), labels);
        await statusIs(page, /^This IDX file is not complete/);
        await page.evaluate(drop, ["digits/images.idx", "digits/labels.idx"]);
        await statusIs(page, /^300 digits are here/);
      });
    } finally {
      await server.close();
    }
  });
});
