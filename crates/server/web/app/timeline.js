// What a time axis shows of samples: areas stacked by slot, lines, bands of encodings, and the moment under a pointer.
// Pure, in seconds and bit/s; where that is on a canvas is for ui/plot.js.

/** @import { Sample, Shown } from "../sdk/history.js" */

/**
 * The slots that showed something, in the order in which they first did. A slot that moved to somebody else is another
 * lane: a person is followed, not a section.
 * @param {readonly Sample[]} samples
 * @param {number} most  lanes; those with the least traffic are left out
 * @returns {string[]} labels
 */
export function lanes(samples, most) {
  /** @type {Map<string, number>} */
  const bits = new Map();
  for (const { slots } of samples) {
    for (const { label, bps } of slots.values()) bits.set(label, (bits.get(label) ?? 0) + bps + 1);
  }
  const kept = new Set([...bits].sort(([, a], [, b]) => b - a).slice(0, most).map(([label]) => label));
  return [...bits.keys()].filter((label) => kept.has(label));
}

/** What a lane showed at a sample. @param {Sample} sample @param {string} label @returns {Shown | undefined} */
export function shownBy(sample, label) {
  for (const shown of sample.slots.values()) if (shown.label === label) return shown;
  return undefined;
}

/**
 * For every sample the upper edges of the areas, each lane on top of the one before.
 * @param {readonly Sample[]} samples
 * @param {readonly string[]} labels
 * @returns {number[][]} by sample, by lane
 */
export function stacked(samples, labels) {
  return samples.map((sample) => {
    let sum = 0;
    return labels.map((label) => (sum += shownBy(sample, label)?.bps ?? 0));
  });
}

/**
 * Stretches of time during which a lane showed the same encoding for the same reason.
 * @typedef {{ from: number, to: number, shown: Shown }} Band
 * @param {readonly Sample[]} samples
 * @param {string} label
 * @returns {Band[]}
 */
export function bands(samples, label) {
  /** @type {Band[]} */
  const found = [];
  for (const [index, sample] of samples.entries()) {
    const shown = shownBy(sample, label);
    if (!shown) continue;
    const to = samples[index + 1]?.at ?? sample.at;
    const last = found.at(-1);
    const same = last && last.to === sample.at && last.shown.rid === shown.rid && last.shown.height === shown.height
      && last.shown.reason === shown.reason;
    if (same) last.to = to;
    else found.push({ from: sample.at, to, shown });
  }
  return found;
}

/**
 * Moments at which something happened to a lane's picture: it stood still, packets of it never came, a keyframe did.
 * @param {readonly Sample[]} samples
 * @param {string} label
 * @param {"freezes" | "lost" | "keyframes"} what
 */
export function moments(samples, label, what) {
  return samples.filter((sample) => shownBy(sample, label)?.[what]).map(({ at }) => at);
}

/**
 * A round number at or above a rate, and the steps up to it: 1, 2 or 5 times a power of ten.
 * @param {number} rate
 */
export function scale(rate) {
  const least = Math.max(rate, 100_000);
  const power = 10 ** Math.floor(Math.log10(least / 4));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate * 4 >= least) ?? power * 10;
  const top = Math.ceil(least / step) * step;
  return { top, steps: Array.from({ length: Math.round(top / step) + 1 }, (_, index) => index * step) };
}

/** The largest rate that has to fit on the axis. @param {readonly Sample[]} samples @param {readonly string[]} labels */
export function largest(samples, labels) {
  const sums = stacked(samples, labels).map((edges) => edges.at(-1) ?? 0);
  // An estimate far above all that is sent would flatten everything else: it may leave the picture at the top.
  const sent = Math.max(0, ...sums);
  const lines = samples.flatMap(({ estimate, budget }) => [estimate ?? 0, budget ?? 0]);
  return Math.max(sent, Math.min(Math.max(0, ...lines), 3 * Math.max(sent, 200_000)));
}

/**
 * The sample at a moment: the last one not after it.
 * @param {readonly Sample[]} samples
 * @param {number} at
 */
export function sampleAt(samples, at) {
  return samples.findLast((sample) => sample.at <= at) ?? samples[0];
}
