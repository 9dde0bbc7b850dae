// Which way what one sees and hears takes: through the server, which is always there, or straight from the other one while
// the server says that there is nobody else. Owns going over and coming back, without a gap either way.
//
// Over: the server's picture stays until a frame came the other way; then the slot shows that one and is hidden at the
// server, which sends nothing more and has the sender encode nothing for it. Back: the slot is shown at the server again, and
// the direct picture stays until a frame came that way. The stream of a slot stays the same, only its track is another one.

import { Direct } from "./direct.js";
import { Emitter } from "./emitter.js";
import { SENDING } from "./peer.js";

/** @import { ClientMessage, Pair, Publication, View } from "./messages.js" */
/** @import { Sending, Slot } from "./peer.js" */
/** @import { Room } from "./room.js" */
/** @import { Figures, Received } from "./stats.js" */

/** Between two looks for the server's first frame. */
const LOOK_EVERY_MS = 50;
/** Longer than that nobody waits for a frame: what is muted sends none. */
const LONGEST_RETURN_MS = 4000;

/** @param {Publication} publication @returns {Sending | undefined} */
export function sendingOf({ kind, source }) {
  const all = /** @type {Sending[]} */ (Object.keys(SENDING));
  return all.find((sending) => SENDING[sending].kind === kind && SENDING[sending].source === source);
}

/**
 * A view in which slots are hidden because their contents come another way; sound is turned off as a whole, since nobody
 * else is there.
 * @param {View} view
 * @param {readonly Pick<Slot, "mid" | "kind">[]} slots
 * @param {ReadonlySet<string>} taken  MIDs
 * @returns {View}
 */
export function hide(view, slots, taken) {
  const shown = view.slots.map((slot) => (taken.has(slot.mid) ? { ...slot, width: 0, height: 0 } : slot));
  const sounds = slots.filter(({ kind }) => kind === "audio");
  const silent = sounds.some(({ mid }) => taken.has(mid));
  return { ...view, slots: [...shown, ...(silent ? sounds.map(({ mid }) => ({ mid, want: /** @type {const} */ ("none") })) : [])] };
}

/**
 * A view in which slots begin with the smallest encoding. A browser whose encodings were off knows nothing any more of what its
 * link carries, and has been seen to send one picture of the largest and then none of it for seconds; the smallest always flows.
 * @param {View} view
 * @param {ReadonlySet<string>} beginning  MIDs
 * @returns {View}
 */
export function beginSmall(view, beginning) {
  return { ...view, slots: view.slots.map((slot) => (beginning.has(slot.mid) ? { ...slot, max_height: 1 } : slot)) };
}

/**
 * Which slot shows what of the other one's, as far as it arrives directly: pictures where the server put them, sounds in any
 * slots for sound.
 * @param {Room} room
 * @param {readonly Pick<Slot, "mid" | "kind">[]} slots
 * @param {string} other  its id
 * @param {ReadonlySet<Sending>} arriving
 * @returns {Map<string, Sending>} by MID
 */
export function assign(room, slots, other, arriving) {
  /** @type {Map<string, Sending>} */
  const found = new Map();
  const publications = room.participants.get(other)?.publications ?? [];
  for (const { mid } of slots) {
    const publication = publications.find(({ id }) => id === room.slots.get(mid)?.publication);
    const sending = publication && sendingOf(publication);
    if (sending && arriving.has(sending)) found.set(mid, sending);
  }
  const sounds = slots.filter(({ kind, mid }) => kind === "audio" && !found.has(mid));
  for (const sending of arriving) {
    if (SENDING[sending].kind !== "audio" || [...found.values()].includes(sending)) continue;
    const free = sounds.shift();
    if (free) found.set(free.mid, sending);
  }
  return found;
}

/** @typedef {{ sending: Sending, slot: Slot, own: MediaStreamTrack, other: MediaStreamTrack }} Taken a slot and its two tracks */

/**
 * Events: `view` when something else is to be hidden at the server; `changed` when something takes another way.
 * @extends {Emitter<{ view: null, changed: null }>}
 */
export class Paths extends Emitter {
  #say;
  #received;
  /** @type {Direct | undefined} */
  #direct;
  #round = 0;
  #other = "";
  /** @type {Map<string, Taken>} by MID */
  #taken = new Map();
  /** What had come from the server of each taken slot when the way back began. @type {Map<string, number> | undefined} */
  #returning;
  /** @type {Figures | undefined} */
  #figures;

  /**
   * @param {(message: ClientMessage) => void} say
   * @param {() => Promise<ReadonlyMap<string, Received>>} received  by the connection to the server
   */
  constructor(say, received) {
    super();
    this.#say = say;
    this.#received = received;
  }

  /** The slots whose contents come directly. @returns {ReadonlySet<string>} MIDs */
  get taken() {
    return new Set(this.#taken.keys());
  }

  /** What of a view is to be said to the server. @param {View} view @param {readonly Slot[]} slots */
  hidden(view, slots) {
    if (this.#taken.size === 0) return view;
    return this.#returning ? beginSmall(view, this.taken) : hide(view, slots, this.taken);
  }

  /**
   * The server says that there are two, or no longer.
   * @param {Pair} pair
   * @param {RTCIceServer[]} iceServers
   * @param {ReadonlyMap<Sending, MediaStreamTrack>} tracks
   */
  pair({ round, with: other, offers }, iceServers, tracks) {
    if (other === undefined) return void this.#return();
    // Said again after a lost socket; what these two did not manage the first time they need not try again.
    if (round === this.#round) return;
    this.end();
    this.#round = round;
    this.#other = other;
    const direct = new Direct({ iceServers, offers: offers ?? false, tracks });
    this.#direct = direct;
    direct.on("word", (data) => { if (this.#direct === direct) this.#say({ type: "direct", round, data }); });
    direct.on("arriving", () => this.emit("changed", null));
    direct.on("ended", () => { if (this.#direct === direct) void this.#return(); });
  }

  /** @param {{ round: number, data: unknown }} message */
  hear({ round, data }) {
    if (round === this.#round) this.#direct?.hear(data);
  }

  /** @param {Sending} sending @param {MediaStreamTrack | null} track */
  async setTrack(sending, track) {
    await this.#direct?.setTrack(sending, track);
  }

  /** Has every slot take the way it can, after anything changed. @param {Room} room @param {readonly Slot[]} slots */
  settle(room, slots) {
    const direct = this.#direct;
    if (!direct || this.#returning) return;
    const { arriving } = direct;
    const wanted = assign(room, slots, this.#other, new Set(arriving.keys()));
    let changed = false;
    for (const [mid, { sending, slot, other }] of this.#taken) {
      // Sound that was turned off at the server is in no slot there any more, and stays where it is.
      const stays = slot.kind === "audio" ? arriving.get(sending) === other : wanted.get(mid) === sending;
      if (stays) continue;
      this.#giveBack(mid);
      changed = true;
    }
    const heard = new Set([...this.#taken.values()].map(({ sending }) => sending));
    for (const [mid, sending] of wanted) {
      const slot = slots.find((candidate) => candidate.mid === mid);
      const [own] = slot?.stream.getTracks() ?? [];
      const other = arriving.get(sending);
      if (this.#taken.has(mid) || heard.has(sending) || !slot || !own || !other) continue;
      this.#taken.set(mid, { sending, slot, own, other });
      swap(slot.stream, own, other);
      changed = true;
    }
    if (changed) this.emit("view", null);
  }

  /** @param {string} mid */
  #giveBack(mid) {
    const taken = this.#taken.get(mid);
    if (!taken) return;
    this.#taken.delete(mid);
    swap(taken.slot.stream, taken.other, taken.own);
  }

  /** Back to the server, slot by slot, as soon as something comes from there; the direct way ends when nobody needs it. */
  async #return() {
    const direct = this.#direct;
    if (!direct || this.#returning) return;
    this.#returning = new Map([...this.#taken.keys()].map((mid) => [mid, Infinity]));
    const before = await this.#come();
    for (const mid of this.#taken.keys()) this.#returning?.set(mid, before.get(mid) ?? 0);
    this.emit("view", null);
    const began = performance.now();
    while (this.#direct === direct && this.#taken.size > 0) {
      const come = await this.#come();
      const late = performance.now() - began > LONGEST_RETURN_MS;
      if (this.#direct !== direct) return;
      const back = [...this.#taken.keys()].filter((mid) => late || (come.get(mid) ?? 0) > (this.#returning?.get(mid) ?? 0));
      for (const mid of back) this.#giveBack(mid);
      if (back.length > 0) this.emit("view", null);
      if (this.#taken.size > 0) await new Promise((resolve) => { setTimeout(resolve, LOOK_EVERY_MS); });
    }
    if (this.#direct !== direct) return;
    this.#direct = this.#returning = this.#figures = undefined;
    direct.part();
    this.emit("changed", null);
  }

  /** How much came from the server, by MID: frames decoded, and bytes of sound. */
  async #come() {
    const received = await this.#received();
    return new Map([...this.#taken].map(([mid, { slot }]) => {
      const { framesDecoded = 0, bytes = 0 } = received.get(mid) ?? {};
      return [mid, slot.kind === "video" ? framesDecoded : bytes];
    }));
  }

  /** Figures of the connection to the server, with what comes directly in the place of what does not. @param {Figures} found */
  async figures(found) {
    const direct = this.#direct;
    if (!direct || this.#taken.size === 0) return found;
    this.#figures = await direct.figures(this.#figures);
    const received = new Map(found.received);
    for (const [mid, { sending }] of this.#taken) {
      for (const [at, one] of this.#figures.received) if (direct.receivedAt(at) === sending) received.set(mid, one);
    }
    return { ...found, received };
  }

  /** Everything by the server at once: the slots it was about are gone, or the call is over. */
  end() {
    const direct = this.#direct;
    this.#direct = this.#returning = this.#figures = undefined;
    this.#round = 0;
    for (const mid of [...this.#taken.keys()]) this.#giveBack(mid);
    direct?.close();
  }
}

/** @param {MediaStream} stream @param {MediaStreamTrack} from @param {MediaStreamTrack} to */
function swap(stream, from, to) {
  stream.addTrack(to);
  stream.removeTrack(from);
}
