import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { chromiumPath, howToGetChromium } from "../scripts/chromium.mjs";

declare module "vitest" {
  interface TaskMeta {
    /** Why a suite does not run on this machine; listed at the end of the run by tests/unavailable.ts. */
    unavailable?: string;
  }
}

/** Something that a suite needs and a machine may lack. */
export interface Requirement {
  readonly name: string;
  /** Where it is, if it is there. */
  readonly path: string | undefined;
  readonly howToGetIt: string;
}

/** The native addon: set-up builds it where there is a C++ compiler. */
export const nativeAddon: Requirement = {
  name: "the native addon",
  path: [
    fileURLToPath(new URL(`../dist/native/rondo-${process.platform}-${process.arch}.node`, import.meta.url)),
  ].find(existsSync),
  howToGetIt: "install a C++17 compiler (Debian: apt-get install g++) and run `npm run build`",
};

/** A browser of the Chromium family. */
export const chromium: Requirement = {
  name: "Chromium",
  path: chromiumPath,
  howToGetIt: howToGetChromium,
};

/**
 * A suite that needs something of the machine. Where that is missing, the suite is skipped and listed at the end of
 * the run; with `RONDO_REQUIRE_ALL=1` (as in continuous integration) it fails.
 *
 * @param body gets the path of what is required
 */
export function describeWith(requirement: Requirement, name: string, body: (path: string) => void): void {
  const { path } = requirement;
  if (path !== undefined) {
    describe(name, () => body(path));
    return;
  }
  const unavailable = `needs ${requirement.name}: ${requirement.howToGetIt}`;
  if (process.env.RONDO_REQUIRE_ALL === "1") {
    it(`${name} (${unavailable})`, () => expect.unreachable(unavailable));
    return;
  }
  describe.skip(name, { meta: { unavailable } }, () => body(""));
}
