// Bundles the library for pages without a bundler: dist/browser/rondo.js and its workers, from the compiled library.
import { readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/** esbuild's options for everything that runs in a page; `check-size.mjs` measures an app with the same ones. */
export const browserOptions = {
  absWorkingDir: root,
  bundle: true,
  minify: true,
  format: "esm",
  platform: "browser",
  target: "es2022",
  logLevel: "warning",
  tsconfigRaw: "{}", // the paths of tsconfig.json are for the sources
};

/** Writes dist/browser. Workers are the files `*.worker.browser.ts`, found beside the bundle by their name. */
export async function buildBrowser() {
  const { build } = await import("esbuild");
  const workers = ["dist/runtime", "dist/formats"].flatMap((folder) =>
    readdirSync(join(root, folder))
      .filter((file) => file.endsWith(".worker.browser.js"))
      .map((file) => join(folder, file)),
  );
  const options = { ...browserOptions, outdir: "dist/browser" };
  await build({
    ...options,
    entryPoints: [{ in: "dist/index.js", out: "rondo" }],
    sourcemap: true,
  });
  await build({
    ...options,
    entryPoints: workers.map((file) => ({ in: file, out: basename(file, ".js") })),
    charset: "utf8", // h5wasm's wasm lies in a string, which is twice as long in ASCII
  });
}
