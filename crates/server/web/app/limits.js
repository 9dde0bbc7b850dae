// Links to try: what the limiter of the drawer offers, and the slider's scale. Pure.

/** Named for what they model; bit/s. @type {readonly { name: string, bps: number | undefined }[]} */
export const PRESETS = [
  { name: "No limit", bps: undefined },
  { name: "Hotel Wi-Fi", bps: 1_500_000 },
  { name: "LTE on the move", bps: 800_000 },
  { name: "3G", bps: 350_000 },
];

/** The ends of the slider, in bit/s. Rates are told apart by their ratio, so the scale is logarithmic. */
const LOWEST = 100_000;
const HIGHEST = 8_000_000;
export const STEPS = 50;

/** The rate at a position of the slider; the last one is no limit. @param {number} position  0 to STEPS */
export function rateAt(position) {
  if (position >= STEPS) return undefined;
  const rate = LOWEST * (HIGHEST / LOWEST) ** (Math.max(position, 0) / STEPS);
  // Two digits are enough to read, and to say again.
  const digit = 10 ** (Math.floor(Math.log10(rate)) - 1);
  return Math.round(rate / digit) * digit;
}

/** The position of a rate. @param {number | undefined} bps */
export function positionOf(bps) {
  if (bps === undefined || bps >= HIGHEST) return STEPS;
  return Math.round((STEPS * Math.log(Math.max(bps, LOWEST) / LOWEST)) / Math.log(HIGHEST / LOWEST));
}
