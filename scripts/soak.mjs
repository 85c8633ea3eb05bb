// Runs what takes too long for every day, the tests in `*.soak.ts`: `npm run soak`. With a share of the work, between 0
// and 1, it runs that much of each: `npm run soak -- 0.02`. Further words choose files, as those of vitest do.
import { startVitest } from "vitest/node";

const [first = "1", ...others] = process.argv.slice(2);
const isShare = /^\d*\.?\d+$/.test(first);
const share = isShare ? Number(first) : 1;
if (!(share > 0 && share <= 1)) {
  console.error(`soak: received ${first} for the share of the work, expected a number above 0, at most 1`);
  process.exit(1);
}
process.env.RONDO_SOAK = String(share);
const hour = 3_600_000;
const vitest = await startVitest("test", isShare ? others : [first, ...others], {
  run: true,
  include: ["{src,tests,recipes}/**/*.soak.ts"],
  testTimeout: 12 * hour,
  hookTimeout: hour,
  typecheck: { enabled: false },
});
await vitest.close();
