import type { Backend } from "./backend.js";
import { createBackend } from "./select.js";

/**
 * The backend of everyone who brings none. No other module has mutable state, but for a worker that waits for files
 * (formats/runFileJob.ts).
 */
let made: Promise<Backend> | undefined;

/** The backend of models that were given none, made when first asked for, once per process. */
export function defaultBackend(): Promise<Backend> {
  made ??= createBackend().catch((error: unknown) => {
    made = undefined; // ask again next time
    throw error;
  });
  return made;
}
