import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ByteSource, readSource } from "./chunks.js";

const content = Buffer.from("line\n".repeat(100_000));
const packed = gzipSync(content);
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "rondo-chunks-"));
  writeFileSync(join(folder, "plain"), content);
  writeFileSync(join(folder, "packed"), packed);
});
afterAll(() => rmSync(folder, { recursive: true }));

async function all(source: ByteSource): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of readSource("test", source)) parts.push(part);
  return Buffer.concat(parts);
}

async function* oneByOne(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (const byte of bytes.subarray(0, 50)) yield Uint8Array.of(byte);
  yield bytes.subarray(50);
}

describe("readSource", () => {
  it.each<[string, (bytes: Uint8Array<ArrayBuffer>, name: string) => ByteSource]>([
    ["a path", (_, name) => join(folder, name)],
    ["a file's address", (_, name) => pathToFileURL(join(folder, name))],
    ["bytes", (bytes) => bytes],
    ["a buffer", (bytes) => bytes.slice().buffer],
    ["a Blob", (bytes) => new Blob([bytes])],
    ["a web stream", (bytes) => new Blob([bytes]).stream()],
    ["a generator", (bytes) => oneByOne(bytes)],
  ])("reads %s, packed or not", async (_, make) => {
    expect((await all(make(Uint8Array.from(content), "plain"))).equals(content)).toBe(true);
    expect((await all(make(Uint8Array.from(packed), "packed"))).equals(content)).toBe(true);
  });

  it("reads an address, and says what is wrong with it", async () => {
    const server = createServer((request, response) => {
      response.statusCode = request.url === "/packed" ? 200 : 404;
      response.end(packed);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    try {
      expect((await all(`${address}/packed`)).equals(content)).toBe(true);
      await expect(all(`${address}/none`)).rejects.toThrow(`read ${address}/none: received status 404`);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  it.each([
    ["a gzip file that breaks off", packed.subarray(0, packed.length - 9)],
    ["a gzip file that was changed", packed.map((byte, i) => (i === packed.length - 6 ? byte ^ 1 : byte))],
  ])("refuses %s", async (_, bytes) => {
    await expect(all(bytes)).rejects.toThrow("read the file: received a gzip file that cannot be unpacked");
  });

  it("passes errors of its source on", async () => {
    async function* failing() {
      yield packed.subarray(0, 100);
      throw new RangeError("gone");
    }
    await expect(all(failing())).rejects.toThrow(/gone/);
    await expect(all(join(folder, "none"))).rejects.toThrow("no such file");
    await expect(all(folder)).rejects.toThrow(`read ${folder}`);
    await expect(all(["a"] as never)).rejects.toThrow(/test: received a list, expected a path/);
  });

  it.each(["plain", "packed"])("closes what it reads when its caller stops: %s", async (kind) => {
    let closed = false;
    async function* endless() {
      try {
        for (;;) yield kind === "plain" ? content : packed;
      } finally {
        closed = true;
      }
    }
    for await (const chunk of readSource("test", endless())) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
    expect(closed).toBe(true);
  });

  it("lets the event loop turn while it gives what is in memory", async () => {
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    for await (const _ of readSource("test", new Uint8Array(2 ** 23))) {
      const begin = performance.now();
      while (performance.now() - begin < 2);
    }
    clearInterval(timer);
    expect(turns).toBeGreaterThan(2);
  });
});
