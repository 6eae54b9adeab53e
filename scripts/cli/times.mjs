// Times and durations, as arguments and in tables.
import { Failure } from "../steps.mjs";

/** The units of a duration, in seconds. */
const UNITS = { m: 60, h: 3_600, d: 86_400, w: 604_800 };

/**
 * Returns a duration such as 12h or 7d in seconds, or undefined if the text is not one.
 *
 * @param {string} text
 */
export function durationOf(text) {
  const [, count, unit] = /^(\d{1,6})([mhdw])$/.exec(text) ?? [];
  return unit && Number(count) * UNITS[unit];
}

/**
 * Returns the duration of an option in seconds, or undefined if it is not given. 0 needs no unit.
 *
 * @param {string} option
 * @param {string | undefined} text
 */
export function durationOption(option, text) {
  if (text === undefined) return undefined;
  const seconds = text === "0" ? 0 : durationOf(text);
  if (seconds === undefined) throw new Failure(`--${option} must be 0, or a duration such as 30m, 12h, 7d or 2w`);
  return seconds;
}

/** Returns a time as text. */
export function timeOf(/** @type {number} */ seconds) {
  return new Date(seconds * 1_000).toISOString().replace(/\.000Z$/, "Z");
}
