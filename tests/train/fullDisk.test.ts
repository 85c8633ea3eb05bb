// What becomes of a training whose checkpoints do not fit on the disk: a limit to the size of files stands for it, which any
// user may set, and which the system answers like a full disk, in the middle of a file.
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { readKerasFile } from "../../src/formats/kerasFile.js";

const script = fileURLToPath(new URL("killedChild.mjs", import.meta.url));

/** @param blocks of 512 bytes that a file may have */
function training(folder: string, blocks?: number): Promise<{ code: number; out: string; err: string }> {
  const limit = blocks === undefined ? "" : `ulimit -f ${blocks} && `;
  const line = `${limit}exec "$0" "$1" arrays "$2"`;
  return new Promise((resolve) => {
    execFile("sh", ["-c", line, process.execPath, script, folder], (error, out, err) =>
      resolve({ code: typeof error?.code === "number" ? error.code : 0, out, err }),
    );
  });
}

it("ends with an error that says so, and leaves the last good checkpoint, from which it goes on", async () => {
  const top = mkdtempSync(join(tmpdir(), "rondo-full-"));
  try {
    const { out } = await training(join(top, "alone"));
    // No checkpoint fits.
    const none = await training(join(top, "none"), 4);
    expect(none.code).toBe(1);
    expect(none.err).toContain("expected that files can be written in");
    expect(readdirSync(join(top, "none"))).toEqual([]);

    // The first ones fit; later ones, which have the best weights and more history, do not.
    const folder = join(top, "some");
    const size = readdirSync(join(top, "alone"))
      .map((file) => readFileSync(join(top, "alone", file)).length)
      .reduce((a, b) => Math.max(a, b));
    const { code, err } = await training(folder, Math.floor(size / 512) - 1);
    expect(code).toBe(1);
    expect(err).toContain("received a file that is larger than the system allows");
    const files = readdirSync(folder);
    expect(files.length).toBeGreaterThan(0);
    for (const file of files) {
      const { metadata } = await readKerasFile(readFileSync(join(folder, file)));
      expect(metadata.rondo).toHaveProperty("checkpoint");
    }
    const rest = await training(folder);
    expect(rest.out.trim().split("\n").at(-1)).toBe(out.trim().split("\n").at(-1));
  } finally {
    rmSync(top, { recursive: true });
  }
});
