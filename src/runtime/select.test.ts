import { afterEach, describe, expect, it, vi } from "vitest";
import { platform } from "#platform";
import { describeWith, nativeAddon } from "../../tests/machine.js";
import { RondoError } from "../errors.js";
import type { Backend, BackendOptions } from "./backend.js";
import { defaultBackend } from "./default.js";
import { createBackend } from "./select.js";

const opened: Backend[] = [];

async function open(options?: BackendOptions): Promise<Backend> {
  const backend = await createBackend(options);
  opened.push(backend);
  return backend;
}

function withoutAddon(reason: string): void {
  vi.spyOn(platform, "loadAddon").mockImplementation(() => {
    throw new Error(reason);
  });
}

afterEach(async () => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  for (const backend of opened.splice(0)) await backend.close();
});

describeWith(nativeAddon, "createBackend with the native addon", () => {
  it("picks it, on all cores up to 16, and says nothing", async () => {
    const warn = vi.fn();
    const backend = await open({ warn });
    expect(backend.kind).toBe("native");
    expect(backend.capabilities.threads).toBe(Math.min(16, platform.cores));
    expect(warn).not.toHaveBeenCalled();
  });

  it("lists the instruction sets of the machine for one it does not have", async () => {
    const names = platform
      .loadAddon()
      .instructionSets()
      .map(([name]) => name);
    await expect(open({ instructionSet: "mmx" })).rejects.toMatchObject({
      received: 'the unknown native instruction set on this machine "mmx"',
      expected: `one of ${names.join(", ")}`,
    });
  });
});

describe("createBackend", () => {
  it("takes what is left out from the environment", async () => {
    vi.stubEnv("RONDO_BACKEND", "wasm");
    vi.stubEnv("RONDO_THREADS", "2");
    expect((await open()).name).toMatch(/^wasm .*, 2 threads$/);
    expect((await open({ threads: 1 })).name).toMatch(/^wasm .*, 1 thread$/);
    const warn = vi.fn();
    withoutAddon("no C++ compiler was found");
    await open({ warn, threads: 1 });
    expect(warn).not.toHaveBeenCalled();
    vi.stubEnv("RONDO_BACKEND", "webgl");
    await expect(open()).rejects.toThrow(/unknown backend "webgl"/);
    expect((await open({ backend: "wasm" })).kind).toBe("wasm");
  });

  it("falls back to wasm without an addon, and says why and what to do in one line", async () => {
    withoutAddon("no C++ compiler was found");
    const warn = vi.fn();
    const backend = await open({ warn, threads: 1 });
    expect(backend.kind).toBe("wasm");
    expect(warn.mock.calls).toEqual([
      [
        expect.stringMatching(
          /^rondo: .*no C\+\+ compiler was found.*WebAssembly.*npm run build.*RONDO_BACKEND=wasm[^\n]*$/,
        ),
      ],
    ]);
  });

  it("does not fall back when native was asked for", async () => {
    withoutAddon("it has not been built");
    const warn = vi.fn();
    const expected = { name: "RondoError", received: expect.stringContaining("it has not been built") };
    await expect(open({ backend: "native", warn })).rejects.toMatchObject(expected);
    await expect(open({ instructionSet: "avx2", warn })).rejects.toMatchObject(expected);
    expect(warn).not.toHaveBeenCalled();
  });

  it("takes an instruction set of wasm by its name", async () => {
    expect((await open({ instructionSet: "simd128", threads: 1 })).name).toBe("wasm simd128, 1 thread");
    await expect(open({ backend: "wasm", instructionSet: "sse2" })).rejects.toThrow(/wasm instruction set/);
  });

  it("uses one thread where memory cannot be shared", async () => {
    vi.spyOn(platform, "sharedMemory", "get").mockReturnValue(false);
    expect((await open({ backend: "wasm", threads: 4 })).capabilities.threads).toBe(1);
  });

  it("refuses an option it does not know, and names the nearest", async () => {
    await expect(open({ thread: 2 } as BackendOptions)).rejects.toThrow(/unknown option "thread".*"threads"/);
  });

  it.each([0, -1, 1.5, Number.NaN, 1000])("refuses %s threads", async (threads) => {
    await expect(open({ threads })).rejects.toThrow(/threads .*expected a whole number from 1 to 256/);
  });

  it("says which of the remedies helps when wasm cannot start", async () => {
    const parts = { where: "wasm kernels", received: "none", expected: "some", fix: "Build them" };
    vi.spyOn(platform, "compile").mockRejectedValue(new RondoError(parts));
    await expect(open({ backend: "wasm" })).rejects.toMatchObject({
      ...parts,
      where: "createBackend: wasm kernels",
    });
  });

  it("says once, and not as a worker that broke, that a worker does not start", async () => {
    const { startWorker } = platform;
    vi.spyOn(platform, "startWorker").mockImplementation(() => {
      const worker = startWorker();
      return { ...worker, listen: (_, error) => setTimeout(error, 0, new Error("out of luck")) };
    });
    await expect(open({ backend: "wasm", threads: 1 })).rejects.toMatchObject({
      where: "createBackend, wasm",
      received: "a failure to start (out of luck)",
    });
  });
});

describe("defaultBackend", () => {
  it("is one for all, and is asked for again after a failure", async () => {
    vi.stubEnv("RONDO_BACKEND", "webgl");
    await expect(defaultBackend()).rejects.toThrow(/webgl/);
    vi.stubEnv("RONDO_BACKEND", "wasm");
    const first = defaultBackend();
    expect(defaultBackend()).toBe(first);
    opened.push(await first);
  });
});
