// The last minutes of a call as samples: what the link was believed to carry, what was spent, and what was in each slot,
// why. Bounded; what is drawn of it is for others.

/** @import { Reason } from "./messages.js" */
/** @import { Room } from "./room.js" */
/** @import { Figures } from "./stats.js" */

/**
 * What one slot showed at a moment.
 * @typedef {object} Shown
 * @property {string} label  whose picture
 * @property {string | undefined} rid
 * @property {number} height  shorter side of what was sent, in pixels; 0 for nothing
 * @property {number} fps
 * @property {number} bps
 * @property {Reason} reason
 * @property {number} [freezes]  since the sample before
 * @property {number} [lost]  packets that never came, since the sample before
 * @property {number} [keyframes]  since the sample before
 *
 * @typedef {object} Sample
 * @property {number} at  milliseconds of any clock that goes on
 * @property {number | undefined} estimate  bit/s
 * @property {number | undefined} budget  bit/s
 * @property {ReadonlyMap<string, Shown>} slots  video slots that showed something, by MID
 */

export class History {
  /** @type {Sample[]} */
  #samples = [];
  #span;

  /** @param {number} span  milliseconds that are kept */
  constructor(span) {
    this.#span = span;
  }

  /** The oldest first. @returns {readonly Sample[]} */
  get samples() {
    return this.#samples;
  }

  /** How much is kept, in milliseconds. */
  get span() {
    return this.#span;
  }

  /** Takes a sample; what is older than the span is forgotten. @param {Sample} sample */
  add(sample) {
    const last = this.#samples.at(-1);
    // A clock that went back (a page that was frozen) begins anew.
    if (last && sample.at < last.at) this.#samples = [];
    this.#samples.push(sample);
    const oldest = sample.at - this.#span;
    const keep = this.#samples.findIndex(({ at }) => at >= oldest);
    if (keep > 0) this.#samples.splice(0, keep);
  }
}

/**
 * The sample of this moment.
 * @param {number} at
 * @param {Room} room
 * @param {Figures | undefined} figures
 * @param {Figures} [before]  of the sample before
 * @returns {Sample}
 */
export function sample(at, room, figures, before) {
  /** @type {Map<string, Shown>} */
  const slots = new Map();
  for (const slot of room.slots.values()) {
    const participant = slot.participant === undefined ? undefined : room.participants.get(slot.participant);
    const publication = participant?.publications?.find(({ id }) => id === slot.publication);
    if (!participant || publication?.kind !== "video") continue;
    const received = figures?.received.get(slot.mid);
    const former = before?.received.get(slot.mid);
    /** @param {"freezes" | "packetsLost" | "keyframes"} counter */
    const grown = (counter) => (received && former ? Math.max(received[counter] - former[counter], 0) : 0);
    const [freezes, lost, keyframes] = [grown("freezes"), grown("packetsLost"), grown("keyframes")];
    slots.set(slot.mid, {
      label: publication.source === "screen" ? `${participant.name}: screen` : participant.name,
      rid: slot.rid,
      height: Math.min(slot.width ?? 0, slot.height ?? 0),
      fps: Math.round(received?.fps ?? slot.fps ?? 0),
      bps: received ? received.kbps * 1000 : slot.bitrate_bps,
      reason: slot.reason,
      ...(freezes > 0 ? { freezes } : {}),
      ...(lost > 0 ? { lost } : {}),
      ...(keyframes > 0 ? { keyframes } : {}),
    });
  }
  return { at, estimate: room.estimate, budget: room.budget, slots };
}
