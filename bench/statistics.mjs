// Quantiles.

/** The quantile of the numbers at this share, by linear interpolation. */
export function quantile(numbers, share) {
  const sorted = Float64Array.from(numbers).sort();
  const at = (sorted.length - 1) * share;
  const below = sorted[Math.floor(at)];
  return below + (sorted[Math.ceil(at)] - below) * (at % 1);
}

/** The median and the quartiles. */
export const spread = (numbers) => ({
  median: quantile(numbers, 0.5), low: quantile(numbers, 0.25), high: quantile(numbers, 0.75),
});
