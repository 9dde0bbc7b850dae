// Why a picture is not larger, in sentences: the one place where the server's reasons become words.

/** @import { Reason, SlotState } from "./messages.js" */

/**
 * How good a picture is, against what this tile could show: `full` is as good as it gets here, `limited` could be
 * better, `none` is no picture.
 * @typedef {"full" | "limited" | "none"} Grade
 *
 * @typedef {object} Words
 * @property {string} short  for a badge, to be read after the size
 * @property {string} because  ends a sentence that begins with the size
 * @property {string} next  what the next step takes; shown when the server names one and nothing that it lacks
 * @property {Grade} grade
 */

/** @type {Readonly<Record<Reason, Words>>} */
export const REASONS = {
  optimal: {
    short: "best there is",
    because: "because that is the best the sender has",
    next: "",
    grade: "full",
  },
  viewport: {
    short: "fits this tile",
    because: "because this tile shows no more",
    next: "comes when the tile grows",
    grade: "full",
  },
  bandwidth: {
    short: "limited by the link",
    because: "because your link carries no more",
    next: "comes when your link carries more",
    grade: "limited",
  },
  device_height: {
    short: "limited by this device",
    because: "because this device shows no larger picture",
    next: "is more than this kind of device asks for",
    grade: "full",
  },
  device_decode_budget: {
    short: "limited by decoding",
    because: "because this device decodes no more at once",
    next: "comes when fewer or smaller pictures are shown",
    grade: "limited",
  },
  device_stream_count: {
    short: "too many pictures",
    because: "because this device decodes no more pictures at once",
    next: "comes when fewer pictures are shown",
    grade: "limited",
  },
  power: {
    short: "saving energy",
    because: "because this device saves energy or data",
    next: "comes when it no longer does",
    grade: "limited",
  },
  server_busy: {
    short: "the server is busy",
    because: "because the server has more to do than it can",
    next: "comes when it has less to do",
    grade: "limited",
  },
  user_request: {
    short: "as you asked",
    because: "because you asked for no more",
    next: "comes when you choose a higher quality",
    grade: "full",
  },
  publisher_off: {
    short: "sender sends no more",
    because: "because the sender sends nothing better now",
    next: "comes when the sender sends it",
    grade: "limited",
  },
  codec: {
    short: "cannot be decoded here",
    because: "because the sender uses a video format that this device does not decode",
    next: "comes when the sender uses another format",
    grade: "limited",
  },
  priority: {
    short: "others come first",
    because: "because more important pictures took what there was",
    next: "comes when they need less, or when you pin this one",
    grade: "limited",
  },
  dwell: {
    short: "about to improve",
    because: "because the link must prove steady before the next step",
    next: "comes in a few seconds",
    grade: "limited",
  },
  waiting_for_keyframe: {
    short: "switching",
    because: "for a moment longer: the next step waits for a whole picture of the sender",
    next: "comes at once",
    grade: "limited",
  },
  startup: {
    short: "starting",
    because: "because the call has just begun and your link is still being measured",
    next: "comes when it turns out to carry it",
    grade: "limited",
  },
  hidden: {
    short: "hidden",
    because: "because this tile is not visible",
    next: "comes when it is",
    grade: "full",
  },
  other: {
    short: "limited",
    because: "for a reason that this page does not know; a reload may bring a newer page",
    next: "",
    grade: "limited",
  },
};

/** Instead of a reason, while a picture does not come by the server. */
export const DIRECT = {
  short: "direct",
  sentence: "This picture comes straight from its sender, not by the server: there are two of you. It is as good as the way between you allows.",
};

/**
 * The words for a reason; one that this page does not know is `other`.
 * @param {string} reason
 */
export function wordsFor(reason) {
  return Object.hasOwn(REASONS, reason) ? REASONS[/** @type {Reason} */ (reason)] : REASONS.other;
}

/**
 * How good the picture in a slot is.
 * @param {SlotState | undefined} slot
 * @returns {Grade}
 */
export function gradeOf(slot) {
  return slot?.height === undefined ? "none" : wordsFor(slot.reason).grade;
}

/**
 * A picture's size in one word: its shorter side, as in 360p.
 * @param {{ width?: number, height?: number } | undefined} size
 */
export function sizeWord(size) {
  if (!size?.width || !size.height) return "no picture";
  return `${Math.min(size.width, size.height)}p`;
}

/**
 * A bit rate for people.
 * @param {number} bps
 */
export function rateWords(bps) {
  if (bps < 999_500) return `${Math.round(bps / 1000)} kbit/s`;
  return `${(bps / 1_000_000).toFixed(bps < 9_950_000 ? 1 : 0)} Mbit/s`;
}

/**
 * Why a slot shows what it shows, and what the next step takes, as one or two sentences.
 * @param {SlotState} slot
 * @param {number} [estimate]  what one's link is believed to carry, in bit/s, where that is known
 */
export function explain(slot, estimate) {
  const words = wordsFor(slot.reason);
  const because = slot.reason === "bandwidth" && estimate ? `because your link carries ${rateWords(estimate)}` : words.because;
  const now = `${capitalised(sizeWord(slot))} ${because}.`;
  const { next } = slot;
  if (!next) return now;
  const fps = next.height === slot.height && next.fps !== slot.fps ? ` at ${next.fps} frames per second` : "";
  const step = `${capitalised(sizeWord(next))}${fps}`;
  if (next.missing_bps) return `${now} ${step} needs ${rateWords(next.missing_bps)} more.`;
  if (next.missing_pixels_per_second) {
    const millions = (next.missing_pixels_per_second / 1_000_000).toFixed(1);
    return `${now} ${step} needs ${millions} million pixels per second more.`;
  }
  return words.next ? `${now} ${step} ${words.next}.` : now;
}

/** @param {string} text */
function capitalised(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
