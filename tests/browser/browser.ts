import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { expect } from "vitest";

/** The repository. */
export const root = fileURLToPath(new URL("../..", import.meta.url));

/** Starts Chromium with an empty profile and without anything that asks the network. */
export const launch = (executablePath: string): Promise<Browser> =>
  chromium.launch({
    executablePath,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });

/** Opens a page, hands it to `visit`, and expects that nothing was thrown or logged as an error meanwhile. */
export async function visit<R>(browser: Browser, url: string, visit: (page: Page) => Promise<R>): Promise<R> {
  const page = await browser.newPage({ viewport: { width: 1100, height: 900 } });
  try {
    const errors: string[] = [];
    page.on("pageerror", (error) => errors.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error") errors.push(message.text());
    });
    await page.goto(url);
    const result = await visit(page);
    expect(errors).toEqual([]);
    return result;
  } finally {
    await page.close();
  }
}

/** For set-ups, which start a browser and more, on a machine that has other things to do. */
export const patience = 60_000;

/** Installs the package into `folder` as npm would: what is published, and nothing else. Returns where it lies. */
export function installPackage(folder: string): string {
  const installed = join(folder, "node_modules/rondo");
  mkdirSync(installed, { recursive: true });
  const shell = process.platform === "win32";
  const pack = ["pack", root, "--ignore-scripts", "--silent"];
  const env = { ...process.env, npm_config_cache: join(folder, ".npm") }; // not everybody has a home to write to
  const file = execFileSync("npm", pack, { cwd: folder, encoding: "utf8", shell, env }).trim();
  execFileSync("tar", ["-xzf", file, "--strip-components=1", "-C", installed], { cwd: folder });
  return installed;
}
