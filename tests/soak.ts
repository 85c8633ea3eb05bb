/** The share of the work that the tests in `*.soak.ts` do: above 0, at most 1. `scripts/soak.mjs` sets it. */
export const share = Number(process.env.RONDO_SOAK ?? 1);

/** A count of the whole work, for its share: at least `least`. */
export const shareOf = (count: number, least = 1): number => Math.max(least, Math.round(count * share));
