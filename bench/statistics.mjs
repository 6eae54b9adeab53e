// Medians and their spread.

/** The value below which a share of the numbers lies. */
export function quantile(numbers, share) {
  const sorted = Float64Array.from(numbers).sort();
  const at = (sorted.length - 1) * share;
  const below = sorted[Math.floor(at)];
  return below + (sorted[Math.ceil(at)] - below) * (at % 1);
}

/** The median with the quartiles around it. */
export const spread = (numbers) => ({
  median: quantile(numbers, 0.5), low: quantile(numbers, 0.25), high: quantile(numbers, 0.75),
});
