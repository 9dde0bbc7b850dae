// What an operator watches, out of the answers of /api/v1: samples of each receiver, who is in trouble, totals. Pure.

import { History } from "../sdk/history.js";

/** @import { Participant, SlotState } from "../sdk/messages.js" */
/** @import { Sample, Shown } from "../sdk/history.js" */

/** Ten minutes, as long as a page is open. */
export const KEPT_MS = 600_000;

/**
 * A participant as the interface tells of it; what is missing is not known.
 * @typedef {Participant & {
 *   muted_by_operator?: string[], device?: string | null, joined_ms?: number, slots?: SlotState[],
 *   downlink?: { estimate_bps?: number | null, budget_bps?: number | null, rtt_ms?: number | null, [counter: string]: unknown },
 * }} Watched
 * @typedef {{ name: string, participants: Watched[] }} WatchedRoom
 */

/**
 * The server as the interface tells of it.
 * @typedef {{ draining: boolean, workers: { rooms: number, participants: number, connected: number, overload: number }[] }} ServerState
 */

/** What a worker with too much to do gives up, by step. */
const STEPS = ["", "takes nobody new", "360 lines at most", "180 lines at most"];

/** One worker in words. @param {ServerState["workers"][number]} worker @param {number} index */
export function workerWords({ rooms, participants, connected, overload }, index) {
  const lost = participants - connected;
  return [`Worker ${index}: ${rooms} ${rooms === 1 ? "room" : "rooms"}`, `${participants} people`, lost > 0 ? `${lost} without media` : "",
    STEPS[overload] ?? `overload ${overload}`].filter(Boolean).join(", ");
}

/**
 * The video that somebody is sent, by slot, with the names of whose it is.
 * @param {WatchedRoom} room
 * @param {Watched} receiver
 * @returns {Map<string, Shown>}
 */
export function shownTo(room, receiver) {
  /** @type {Map<string, Shown>} */
  const found = new Map();
  for (const slot of receiver.slots ?? []) {
    const sender = room.participants.find(({ id }) => id === slot.participant);
    const publication = sender?.publications?.find(({ id }) => id === slot.publication);
    if (!sender || publication?.kind !== "video") continue;
    found.set(slot.mid, {
      label: publication.source === "screen" ? `${sender.name}: screen` : sender.name,
      rid: slot.rid,
      height: Math.min(slot.width ?? 0, slot.height ?? 0),
      fps: slot.fps ?? 0,
      bps: slot.bitrate_bps,
      reason: slot.reason,
    });
  }
  return found;
}

/**
 * What is wrong with what somebody is sent, the worst first.
 * @typedef {{ rank: number, words: string }} Trouble  the higher the rank the worse
 * @param {Watched} receiver
 * @param {ReadonlyMap<string, Shown>} shown
 * @returns {Trouble}
 */
export function troubleOf(receiver, shown) {
  if (receiver.connection === "reconnecting") return { rank: 4, words: "reconnecting" };
  const all = [...shown.values()];
  const starved = all.filter(({ height, reason }) => height === 0 && STARVING.has(reason)).length;
  if (starved > 0) return { rank: 3, words: starved === 1 ? "one picture starved" : `${starved} pictures starved` };
  const by = (/** @type {ReadonlySet<string>} */ reasons) => all.filter(({ reason }) => reasons.has(reason)).length;
  const link = by(LINK);
  if (link > 0) return { rank: 2, words: `${link} limited by the link` };
  const device = by(DEVICE);
  if (device > 0) return { rank: 1, words: `${device} limited by the device` };
  return { rank: 0, words: "" };
}

/** A picture that is missing for one of these could be there. */
const STARVING = new Set(["bandwidth", "priority", "device_decode_budget", "startup"]);
const LINK = new Set(["bandwidth", "priority"]);
const DEVICE = new Set(["device_decode_budget", "device_stream_count", "power"]);

/**
 * One line of the list.
 * @typedef {{ key: string, room: string, id: string, name: string, device: string, estimate: number | undefined,
 *             budget: number | undefined, pictures: number, bps: number, sends: boolean, silenced: boolean, trouble: Trouble }} Row
 */

/**
 * What somebody was sent over time, as the interface tells it: lists with one entry per sample, and the states of each slot
 * from each change to the next.
 * @typedef {{ id: string, name: string, at_ms: number[], estimate_bps: (number | null)[], budget_bps: (number | null)[],
 *             slots: { mid: string, bitrate_bps: number[], states: { from_ms: number, state: SlotState }[] }[] }} Past
 */

/**
 * Samples out of a past. Names are those of whoever sent, as far as they are known.
 * @param {Past} past
 * @param {ReadonlyMap<string, string>} names  by participant
 * @returns {Sample[]}
 */
export function samplesOf(past, names) {
  return past.at_ms.map((at, index) => {
    /** @type {Map<string, Shown>} */
    const slots = new Map();
    for (const { mid, bitrate_bps, states } of past.slots) {
      const state = states.findLast(({ from_ms }) => from_ms <= at)?.state;
      // Sound has no size and is never limited by one; a picture that is missing has a reason.
      const picture = state?.participant !== undefined && (state.width !== undefined || state.reason !== "optimal");
      if (!state || !picture) continue;
      slots.set(mid, {
        label: names.get(state.participant ?? "") ?? state.participant ?? "",
        rid: state.rid,
        height: Math.min(state.width ?? 0, state.height ?? 0),
        fps: state.fps ?? 0,
        bps: bitrate_bps[index] ?? 0,
        reason: state.reason,
      });
    }
    return { at, estimate: past.estimate_bps[index] ?? undefined, budget: past.budget_bps[index] ?? undefined, slots };
  });
}

/** All that is kept of all receivers. */
export class Watch {
  /** @type {Map<string, History>} */
  #histories = new Map();
  /** @type {readonly Row[]} */
  rows = [];

  /**
   * Takes the rooms as they are at a time; whoever has left is forgotten.
   * @param {number} at
   * @param {readonly WatchedRoom[]} rooms
   */
  note(at, rooms) {
    /** @type {Row[]} */
    const rows = [];
    for (const room of rooms) {
      for (const receiver of room.participants) {
        const key = `${room.name}/${receiver.id}`;
        const slots = shownTo(room, receiver);
        const estimate = receiver.downlink?.estimate_bps ?? undefined;
        const budget = receiver.downlink?.budget_bps ?? undefined;
        const history = this.#histories.get(key) ?? new History(KEPT_MS);
        this.#histories.set(key, history);
        history.add({ at, estimate, budget, slots });
        rows.push({
          key, room: room.name, id: receiver.id, name: receiver.name, device: receiver.device ?? "", estimate, budget,
          pictures: [...slots.values()].filter(({ height }) => height > 0).length,
          bps: (receiver.slots ?? []).reduce((sum, slot) => sum + slot.bitrate_bps, 0),
          sends: (receiver.publications ?? []).length > 0,
          silenced: (receiver.muted_by_operator ?? []).length > 0,
          trouble: troubleOf(receiver, slots),
        });
      }
    }
    const here = new Set(rows.map(({ key }) => key));
    for (const key of this.#histories.keys()) if (!here.has(key)) this.#histories.delete(key);
    this.rows = rows;
  }

  /** Whether nothing is kept of a room yet. @param {string} name */
  isNew(name) {
    return ![...this.#histories.keys()].some((key) => key.startsWith(`${name}/`));
  }

  /** Takes what the server kept of a room, before anything was noted of it. @param {string} name @param {readonly Past[]} pasts */
  recall(name, pasts) {
    const names = new Map(pasts.map(({ id, name: own }) => [id, own]));
    for (const past of pasts) {
      const history = new History(KEPT_MS);
      for (const sample of samplesOf(past, names)) history.add(sample);
      this.#histories.set(`${name}/${past.id}`, history);
    }
  }

  /** @param {string} key */
  samplesOf(key) {
    return this.#histories.get(key)?.samples ?? [];
  }

  /** The rows, those in trouble first, then by room and arrival. */
  byTrouble() {
    return this.rows.map((row, index) => ({ row, index }))
      .sort((a, b) => b.row.trouble.rank - a.row.trouble.rank || a.index - b.index).map(({ row }) => row);
  }

  /** What there is in all. */
  totals() {
    return {
      rooms: new Set(this.rows.map(({ room }) => room)).size,
      participants: this.rows.length,
      pictures: this.rows.reduce((sum, { pictures }) => sum + pictures, 0),
      bps: this.rows.reduce((sum, { bps }) => sum + bps, 0),
      troubled: this.rows.filter(({ trouble }) => trouble.rank >= 2).length,
    };
  }
}
