import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";

/** The command as it was built. */
export const command = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

/** What a command ended with and said. */
export interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/**
 * Runs the command.
 *
 * @param watch is called when it begins, and whenever it writes, with all that it has written so far to standard output and to
 *   standard error
 */
export function run(
  args: readonly string[],
  watch?: (child: ChildProcessWithoutNullStreams, out: string, err: string) => void,
  cwd = tmpdir(),
  env: object = {},
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [command, ...args], { cwd, env: { ...process.env, ...env } });
    watch?.(child, "", "");
    let out = "";
    let err = "";
    child.stdout.on("data", (chunk) => {
      out += String(chunk);
      watch?.(child, out, err);
    });
    child.stderr.on("data", (chunk) => {
      err += String(chunk);
      watch?.(child, out, err);
    });
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, out, err }));
  });
}
