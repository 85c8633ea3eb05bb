import type { Backend } from "./backend.js";
import { createBackend } from "./select.js";

/** The only mutable state of any module in Rondo: the backend of everyone who brings none. */
let made: Promise<Backend> | undefined;

/** The backend of models that were given none, made when first asked for, once per process. */
export function defaultBackend(): Promise<Backend> {
  made ??= createBackend().catch((error: unknown) => {
    made = undefined; // ask again next time
    throw error;
  });
  return made;
}
