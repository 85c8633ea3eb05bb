import { type Command, InvalidArgumentError, Option } from "commander";
import type { Reached, Reader, Recipe } from "../recipe/index.js";
import { Unreadable } from "../recipe/index.js";
import { wholeNumber } from "../recipe/readers.js";
import type { Backend } from "../runtime/backend.js";
import { createBackend } from "../runtime/select.js";

/** What the command ends with. */
export const exitCodes = {
  done: 0,
  failed: 1,
  /** The command line was wrong. */
  usage: 2,
  interrupted: 130,
  /** Nobody reads the output any more, as after SIGPIPE. */
  unread: 141,
} as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** What every command knows. */
export interface CommandContext {
  readonly recipes: readonly Recipe[];
  /** What the recipes were measured to reach. */
  readonly results: readonly Reached[];
  /** Aborts when nobody reads the output any more: `rondo … | head`. */
  readonly reader: AbortSignal;
  /** Says what the command ends with, where that is not 0. */
  end(code: ExitCode): void;
}

export interface BackendFlags {
  readonly backend?: "auto" | "native" | "wasm";
  readonly threads?: number;
}

/** `--backend` and `--threads`. */
export const addBackendFlags = (command: Command): Command =>
  command
    .addOption(
      new Option("--backend <name>", "what computes (default: RONDO_BACKEND, else auto)").choices([
        "auto",
        "native",
        "wasm",
      ]),
    )
    .option(
      "--threads <n>",
      "threads that compute (default: RONDO_THREADS, else one per core, up to 16)",
      argument(wholeNumber(1, 256)),
    );

/** Does work on the backend that the flags ask for. */
export async function onBackend<T>(
  { backend, threads }: BackendFlags,
  work: (backend: Backend) => Promise<T>,
): Promise<T> {
  const made = await createBackend({
    ...(backend === undefined ? {} : { backend }),
    ...(threads === undefined ? {} : { threads }),
    warn: (text) => console.error(text),
  });
  try {
    return await work(made);
  } finally {
    await made.close();
  }
}

/** A reader as commander takes one. */
export const argument =
  <T>(read: Reader<T>) =>
  (text: string): T => {
    try {
      return read(text);
    } catch (error) {
      throw error instanceof Unreadable ? new InvalidArgumentError(error.message) : error;
    }
  };

/** The end of a command's help: lines that can be typed. */
export const examples = (...lines: readonly string[]): string =>
  `\n${lines.length === 1 ? "Example" : "Examples"}:\n${lines.map((line) => `  ${line}`).join("\n")}`;

export function folder(text: string): string {
  if (text.trim() !== "") return text;
  throw new Unreadable("Give the name of a folder.");
}

/** Resolves when the text is on its way, or nobody takes it any more. */
export const written = (text: string): Promise<void> =>
  new Promise((resolve) => {
    process.stdout.write(text, () => resolve());
  });
