import { platform } from "#platform";
import { RondoError, within } from "../errors.js";
import type { Backend } from "./backend.js";
import { type Addon, nativeBackend } from "./native.js";

/** What is asked of the native backend. */
export interface NativeWish {
  /** Whether nothing else will do. */
  readonly required: boolean;
  readonly threads: number;
  readonly instructionSet: string | undefined;
  warn(text: string): void;
}

/**
 * The native backend; undefined, with a line that says why, where it cannot be had and something else will do.
 *
 * @throws RondoError where it is required, or an instruction set of its own
 */
export function nativeOr({ required, threads, instructionSet, warn }: NativeWish): Backend | undefined {
  const addon = addonOr((reason, cause) => {
    if (required || instructionSet !== undefined) throw nativeMissing(reason, cause);
    warn(
      `rondo: the native backend is not available (${reason}); using WebAssembly, which is slower. ${platform.nativeFix}; or set RONDO_BACKEND=wasm, which leaves out this line.`,
    );
  });
  return addon && nativeBackend(addon, () => platform.collect(), threads, instructionSet);
}

function addonOr(missing: (reason: string, cause: unknown) => void): Addon | undefined {
  try {
    return platform.loadAddon();
  } catch (cause) {
    if (cause instanceof RondoError) throw within("createBackend", cause);
    const [reason = ""] = (cause instanceof Error ? cause.message : String(cause)).split("\n");
    missing(reason, cause);
    return undefined;
  }
}

function nativeMissing(reason: string, cause: unknown): RondoError {
  return new RondoError(
    {
      where: "createBackend",
      received: `a request for the native backend, which is not available (${reason})`,
      expected: "an addon that loads",
      fix: platform.nativeFix,
    },
    { cause },
  );
}
