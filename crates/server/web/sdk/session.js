// A call: one participant in one room. Joins socket and peer connection, keeps the room, survives losses of either.
// This is what an embedding page uses; everything below app/ui/ is one page that uses it.

import { AUDIO_SLOTS, VIDEO_SLOTS } from "./capabilities.js";
import { decisions } from "./decisions.js";
import { Emitter } from "./emitter.js";
import { History, sample } from "./history.js";
import { Paths } from "./paths.js";
import { Peer, SENDING } from "./peer.js";
import { emptyRoom, reduce } from "./room.js";
import { Signalling } from "./signalling.js";
import { reportBetween } from "./stats.js";

/** @import { Capabilities, Joined, Publish, ServerMessage, View } from "./messages.js" */
/** @import { Sending } from "./peer.js" */
/** @import { Figures } from "./stats.js" */

/**
 * @typedef {object} Options
 * @property {string} url  of the signalling socket
 * @property {string} room
 * @property {string} name
 * @property {string} [token]
 * @property {Capabilities} capabilities
 * @property {number} [videoSlots]
 * @property {import("./peer.js").Encoder} [encoder]
 * @property {boolean} [direct]  media may go straight to the other one while there are two
 * @property {Partial<Record<Sending, MediaStreamTrack | null>>} tracks  what to send from the start
 */

/**
 * Where a call stands. `connecting` until media flows for the first time; `reconnecting` while socket or media are lost
 * and on their way back; `closed` says why.
 * @typedef {{ phase: "connecting" | "connected" | "reconnecting", socket: "open" | "lost", media: "new" | "connected" | "lost" }
 *   | { phase: "closed", code: string, message: string }} State
 */

/** A look at the figures, and a report of how decoding went: a device that got hot is relieved within one of them. */
const LOOK_EVERY_MS = 1000;
/** What is kept of them. */
const HISTORY_MS = 120_000;
/** How long a lost path may come back by itself before it is looked for. */
const PATIENCE_MS = 2500;
/** How long looking for it may take before everything is set up anew. */
const LONGER_PATIENCE_MS = 10_000;

/**
 * Events: `rejoined` after the server knew nothing of this participant any more: everybody's ids are new.
 * @extends {Emitter<{ state: State, room: ReturnType<typeof emptyRoom>, slots: null, rejoined: null, figures: Figures,
 *                     message: Extract<ServerMessage, { type: "message" }>, problem: string }>}
 */
export class Session extends Emitter {
  #options;
  #signalling;
  /** @type {Peer | undefined} */
  #peer;
  #room = emptyRoom();
  /** @type {State} */
  #state = { phase: "connecting", socket: "open", media: "new" };
  /** What is shown where, as the page has it. @type {View | undefined} */
  #view;
  /** The last view that was said, as text. */
  #saidView = "";
  #paths;
  /** @type {RTCIceServer[]} */
  #iceServers = [];
  /** @type {Map<Sending, MediaStreamTrack>} */
  #tracks = new Map();
  /** Whether something is muted, where that was said. @type {Map<Sending, boolean>} */
  #muted = new Map();
  /** @type {Figures | undefined} */
  #figures;
  /** The same of what comes by the server alone. @type {Figures | undefined} */
  #served;
  /** @type {Figures | undefined} */
  #reported;
  #history = new History(HISTORY_MS);
  /** The most to be sent, in bit/s. @type {number | undefined} */
  #limit;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #looking;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #mending;

  /** @param {Options} options */
  constructor(options) {
    super();
    this.#options = options;
    for (const sending of /** @type {Sending[]} */ (Object.keys(SENDING))) {
      const track = options.tracks[sending];
      if (track) this.#tracks.set(sending, track);
    }
    const { url, room, name, token } = options;
    this.#signalling = new Signalling(url, () => ({
      type: "join", room, name, ...(token ? { token } : {}), capabilities: this.#capabilities(),
    }));
    this.#paths = new Paths((message) => this.#signalling.send(message), async () => (await this.#peer?.figures())?.received ?? new Map());
    this.#paths.on("view", () => { this.#sayView(); this.emit("room", this.#room); });
    this.#paths.on("changed", () => this.#paths.settle(this.#room, this.slots));
    this.#signalling.on("joined", (joined) => this.#joined(joined));
    this.#signalling.on("message", (message) => this.#received(message));
    this.#signalling.on("lost", () => this.#change({ socket: "lost" }));
    this.#signalling.on("refused", ({ code, message }) => this.#end(code, message));
  }

  get state() {
    return this.#state;
  }

  get room() {
    return this.#room;
  }

  /** The receive-only sections with their streams; new ones after `joined`, announced by `slots`. */
  get slots() {
    return this.#peer?.slots ?? [];
  }

  /** The last look at the call's figures. */
  get figures() {
    return this.#figures;
  }

  /** The last two minutes: one sample at every `figures`. */
  get history() {
    return this.#history;
  }

  /** What the user let the server send at most, in bit/s. */
  get limit() {
    return this.#limit;
  }

  /** Connects. What comes of it is told by `state`. */
  start() {
    globalThis.addEventListener?.("online", this.#online);
    this.#signalling.open();
  }

  /** Leaves the room for good. */
  leave() {
    this.#end("left", "");
  }

  /**
   * What is shown where; replaces the former view. Said again after a reconnection.
   * @param {View} view
   */
  setView(view) {
    this.#view = view;
    this.#sayView();
  }

  #sayView() {
    const mids = this.slots.filter(({ kind }) => kind === "video").map(({ mid }) => mid);
    const shown = this.#view ?? { type: "view", slots: mids.map((mid) => ({ mid, want: /** @type {const} */ ("auto") })) };
    const view = this.#paths.hidden(shown, this.slots);
    const text = JSON.stringify(view);
    if (text !== this.#saidView && this.#signalling.send(view)) this.#saidView = text;
  }

  /** The slots whose contents come straight from the other one. @returns {ReadonlySet<string>} MIDs */
  get direct() {
    return this.#paths.taken;
  }

  /** What the device can do, when it changed. @param {Capabilities} capabilities */
  setCapabilities(capabilities) {
    this.#options = { ...this.#options, capabilities };
    this.#signalling.send({ type: "capabilities", ...this.#capabilities() });
  }

  /**
   * Has the server send no more than that to this participant, whatever the link carries.
   * @param {number | undefined} bps  bit/s; undefined for no limit
   */
  setLimit(bps) {
    if (bps === this.#limit) return;
    this.#limit = bps;
    this.#signalling.send({ type: "capabilities", ...this.#capabilities() });
  }

  /**
   * What the server decides about one's own pictures from now on, until `signal` ends it: lines for `terrace sim replay`. For
   * pages of that server.
   * @param {AbortSignal} signal
   * @param {(lines: number) => void} [heard]
   */
  decisions(signal, heard) {
    const { url, room } = this.#options;
    const address = new URL(`/v1/decisions/${encodeURIComponent(room)}?seconds=3600`, url.replace(/^ws/, "http"));
    return decisions(address, this.#signalling.secret ?? "", signal, heard);
  }

  /** @returns {Capabilities} */
  #capabilities() {
    const { direct } = this.#options;
    const capabilities = { ...this.#options.capabilities, ...(direct ? { direct } : {}) };
    if (this.#limit === undefined) return capabilities;
    return { ...capabilities, network: { ...capabilities.network, max_downlink_bps: this.#limit } };
  }

  /**
   * Sends a track as microphone, camera or screen, or another one than before, or pauses with `null`. The others are told
   * that it is muted.
   * @param {Sending} sending
   * @param {MediaStreamTrack | null} track
   */
  async setTrack(sending, track) {
    if (track) this.#tracks.set(sending, track);
    else this.#tracks.delete(sending);
    this.#muted.set(sending, track === null);
    await this.#peer?.setTrack(sending, track);
    await this.#paths.setTrack(sending, track);
    this.setMuted(sending, track === null);
  }

  /**
   * Tells the others whether something is to be heard or seen.
   * @param {Sending} sending
   * @param {boolean} muted
   */
  setMuted(sending, muted) {
    this.#muted.set(sending, muted);
    const message = this.#publishMessage(sending);
    if (message) this.#signalling.send(message);
  }

  /** What a sending section sends, by its MID. @param {string} mid @returns {Sending | undefined} */
  sendingAt(mid) {
    const all = /** @type {Sending[]} */ (Object.keys(SENDING));
    return all.find((sending) => this.#peer?.midOf(sending) === mid);
  }

  /** Data for one participant, or for everybody else. @param {unknown} data @param {string} [to] */
  send(data, to) {
    return this.#signalling.send({ type: "message", ...(to === undefined ? {} : { to }), data });
  }

  /** @param {Joined} joined */
  #joined(joined) {
    this.#room = reduce(this.#room, joined);
    if (joined.resumed && this.#peer) {
      this.#change({ socket: "open" });
      this.#peer.repeatOffer();
      this.#sayAgain();
    } else {
      this.#connect(joined);
    }
    this.emit("room", this.#room);
  }

  /** A peer connection for a fresh participant. @param {Joined} joined */
  #connect(joined) {
    if (this.#peer) this.emit("rejoined", null);
    this.#peer?.close();
    this.#paths.end();
    this.#iceServers = joined.ice_servers;
    const { capabilities } = this.#options;
    const wanted = this.#options.videoSlots ?? VIDEO_SLOTS[capabilities.device?.class ?? "unknown"];
    const peer = new Peer({
      iceServers: joined.ice_servers,
      audioSlots: Math.min(AUDIO_SLOTS, joined.limits.audio_slots),
      videoSlots: Math.min(wanted, joined.limits.video_slots),
      tracks: this.#tracks,
      ...(this.#options.encoder === undefined ? {} : { encoder: this.#options.encoder }),
    });
    this.#peer = peer;
    this.#signalling.attach(peer.channel);
    this.#figures = this.#served = this.#reported = undefined;
    // The MIDs of a former connection mean nothing in this one.
    this.#view = undefined;
    this.#saidView = "";
    peer.on("offer", (sdp) => {
      this.#sayAgain();
      this.#signalling.send({ type: "offer", sdp });
      this.emit("slots", null);
    });
    peer.on("state", (state) => this.#peer === peer && this.#mediaChanged(state));
    clearTimeout(this.#mending);
    this.#change({ socket: "open", media: "new" });
    this.#looking ??= setInterval(() => void this.#look(), LOOK_EVERY_MS);
    void this.#guarded(peer.negotiate());
  }

  /** States that the server knows only from us. */
  #sayAgain() {
    for (const sending of /** @type {Sending[]} */ (Object.keys(SENDING))) {
      const message = this.#publishMessage(sending);
      if (message) this.#signalling.send(message);
    }
    this.#saidView = "";
    if (this.#view) this.#sayView();
  }

  /** What the server takes for granted (an unmuted camera or microphone) is not said. @param {Sending} sending @returns {Publish | undefined} */
  #publishMessage(sending) {
    const mid = this.#peer?.midOf(sending);
    const muted = this.#muted.get(sending);
    const { source } = SENDING[sending];
    if (!mid || (muted === undefined && source !== "screen")) return undefined;
    return { type: "publish", mid, muted: muted ?? false, source };
  }

  /** @param {ServerMessage} message */
  #received(message) {
    switch (message.type) {
      case "answer":
        return void this.#guarded(this.#peer?.answered(message.sdp));
      case "demand":
        return void this.#guarded(this.#peer?.applyDemand(message));
      case "message":
        return this.emit("message", message);
      case "pair":
        return this.#paths.pair(message, this.#iceServers, this.#tracks);
      case "direct":
        return this.#paths.hear(message);
      case "error":
        // A word to somebody who has left meanwhile is nobody's problem.
        if (message.about === "direct") return;
        if (message.code === "offer_rejected") {
          // Without a first agreement there is no call; a later offer leaves the agreement that stands.
          if (this.#state.phase === "connecting") return this.#end(message.code, message.message);
          void this.#guarded(this.#peer?.rejected());
        }
        return this.emit("problem", message.message);
      default: {
        const room = reduce(this.#room, message);
        if (room === this.#room) return;
        this.#room = room;
        this.#paths.settle(room, this.slots);
        this.emit("room", room);
      }
    }
  }

  /** @param {import("./peer.js").MediaState} state */
  #mediaChanged(state) {
    clearTimeout(this.#mending);
    if (state === "connected") return this.#change({ media: "connected" });
    const known = this.#state.phase !== "closed" && this.#state.media !== "new";
    if (known) this.#change({ media: "lost" });
    const delay = state === "failed" ? 0 : PATIENCE_MS;
    this.#mending = setTimeout(() => this.#mend(), delay);
  }

  /** First by new addresses, then by a new participant. */
  #mend() {
    if (this.#state.phase === "closed" || this.#state.socket === "lost") return;
    this.#mending = setTimeout(() => {
      if (this.#state.phase !== "closed" && this.#state.media !== "connected") this.#signalling.startAnew();
    }, LONGER_PATIENCE_MS);
    void this.#guarded(this.#peer?.restart());
  }

  /** One look at the browser's figures; every other one goes to the server. */
  async #look() {
    const peer = this.#peer;
    if (!peer) return;
    const served = await peer.figures(this.#served);
    if (peer !== this.#peer) return;
    this.#served = served;
    const before = this.#figures;
    this.#figures = await this.#paths.figures(this.#served);
    if (peer !== this.#peer) return;
    this.#history.add(sample(performance.now(), this.#room, this.#figures, before));
    this.emit("figures", this.#figures);
    const message = this.#reported && reportBetween(this.#reported, this.#served);
    this.#reported = this.#served;
    if (message && message.slots.length > 0) this.#signalling.send(message);
  }

  #online = () => this.#signalling.hurry();

  /**
   * An operation of the peer connection, whose failure is told and does not end the call: the path is mended if it broke.
   * @param {Promise<unknown> | undefined} operation
   */
  async #guarded(operation) {
    try {
      await operation;
    } catch (error) {
      if (this.#state.phase !== "closed") this.emit("problem", error instanceof Error ? error.message : String(error));
    }
  }

  /** @param {{ socket?: "open" | "lost", media?: "new" | "connected" | "lost" }} part */
  #change(part) {
    if (this.#state.phase === "closed") return;
    const { socket, media } = { ...this.#state, ...part };
    const fine = socket === "open" && media === "connected";
    const phase = fine ? "connected" : this.#state.phase === "connecting" ? "connecting" : "reconnecting";
    this.#state = { phase, socket, media };
    this.emit("state", this.#state);
  }

  /** @param {string} code @param {string} message */
  #end(code, message) {
    if (this.#state.phase === "closed") return;
    this.#state = { phase: "closed", code, message };
    clearInterval(this.#looking);
    clearTimeout(this.#mending);
    globalThis.removeEventListener?.("online", this.#online);
    this.#signalling.close();
    this.#paths.end();
    this.#peer?.close();
    this.emit("state", this.#state);
  }
}
