// Where a browser of the Chromium family is.
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** Whether `path` is a program. */
function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return path !== "";
  } catch {
    return false;
  }
}

/** Its path; `RONDO_CHROMIUM` names one elsewhere. Undefined where there is none. */
export const chromiumPath = [
  process.env.RONDO_CHROMIUM ?? "",
  ...["chromium", "chromium-browser", "google-chrome"].flatMap((name) =>
    (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, name)),
  ),
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
].find(isExecutable);

/** What to do where there is none. */
export const howToGetChromium =
  "install it (Debian: apt-get install chromium), or set RONDO_CHROMIUM to its path";
