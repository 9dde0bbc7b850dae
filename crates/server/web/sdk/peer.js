// The peer connection: permanent sections, slots, offers one after the other, simulcast. Knows media, not signalling.

import { chosen, encodable, preferCodecs } from "./codecs.js";
import { Emitter } from "./emitter.js";
import { CAMERA, SCREEN, hasSpatial, layered, obey } from "./encodings.js";
import { SUBPROTOCOL } from "./messages.js";
import { figuresOf } from "./stats.js";

/** @import { VideoCodec } from "./codecs.js" */
/** @import { Layers } from "./encodings.js" */
/** @import { Demand, Source } from "./messages.js" */
/** @import { Figures } from "./stats.js" */

/**
 * How what is sent is encoded: `codec` of pictures is `vp8` unless said otherwise, and another one while the receivers do not all
 * decode it; `layers` is `simulcast`; with `redundancy` every packet of sound repeats the ones before it (RFC 2198), which takes
 * twice the rate and bridges losses.
 * @typedef {{ codec?: VideoCodec, layers?: Layers, redundancy?: boolean }} Encoder
 */

/**
 * A receive-only section.
 * @typedef {object} Slot
 * @property {string} mid
 * @property {"audio" | "video"} kind
 * @property {MediaStream} stream  the same for the slot's life; with one track, which is another while its contents come directly
 */

/** @typedef {"new" | "connected" | "lost" | "failed"} MediaState */

/**
 * What can be sent, one section each. The first two are there from the start, the others with their first track.
 * @typedef {"microphone" | "camera" | "screen" | "screen-sound"} Sending
 */

/** @type {Readonly<Record<Sending, { kind: "audio" | "video", source: Source, ladder: readonly import("./encodings.js").Ladder[] }>>} */
export const SENDING = {
  microphone: { kind: "audio", source: "microphone", ladder: [] },
  camera: { kind: "video", source: "camera", ladder: CAMERA },
  screen: { kind: "video", source: "screen", ladder: SCREEN },
  "screen-sound": { kind: "audio", source: "screen", ladder: [] },
};

/** @extends {Emitter<{ offer: string, state: MediaState }>} */
export class Peer extends Emitter {
  /** @type {RTCPeerConnection} */
  #connection;
  /** @type {Map<Sending, RTCRtpTransceiver>} */
  #senders = new Map();
  /** @type {Slot[]} */
  #slots = [];
  /** An offer is out and not yet answered. */
  #offering = false;
  /** Something changed since, so another offer is due. */
  #due = false;
  /** Changes of encodings wait for each other: the browser refuses two at once. */
  #parameters = Promise.resolve();
  /** What stands of the demand, by MID. @type {Map<string, Demand>} */
  #demands = new Map();
  #encoder;

  /**
   * @param {{ iceServers: RTCIceServer[], audioSlots: number, videoSlots: number,
   *           tracks: ReadonlyMap<Sending, MediaStreamTrack>, encoder?: Encoder }} options
   */
  constructor({ iceServers, audioSlots, videoSlots, tracks, encoder = {} }) {
    super();
    this.#encoder = encoder;
    const connection = new RTCPeerConnection({ iceServers, bundlePolicy: "max-bundle" });
    this.#connection = connection;
    // The first section carries the transport of all and is never stopped (RFC 9143 §7): the microphone's, silent or not.
    this.#add("microphone", tracks.get("microphone") ?? null);
    this.#add("camera", tracks.get("camera") ?? null);
    for (const [sending, track] of tracks) if (!this.#senders.has(sending)) this.#add(sending, track);
    for (let slot = 0; slot < audioSlots; slot++) connection.addTransceiver("audio", { direction: "recvonly" });
    for (let slot = 0; slot < videoSlots; slot++) connection.addTransceiver("video", { direction: "recvonly" });
    for (const transceiver of connection.getTransceivers()) preferCodecs(transceiver, encoder);
    this.channel = connection.createDataChannel("terrace", { protocol: SUBPROTOCOL });
    connection.onconnectionstatechange = () => {
      /** @type {Partial<Record<RTCPeerConnectionState, MediaState>>} */
      const states = { connected: "connected", disconnected: "lost", failed: "failed" };
      const state = states[connection.connectionState];
      if (state) this.emit("state", state);
    };
  }

  /** The receive-only sections, in the order of the offer; empty before the first offer. */
  get slots() {
    return this.#slots;
  }

  /** The MID of a sending section; null before the offer that has it. @param {Sending} sending */
  midOf(sending) {
    return this.#senders.get(sending)?.mid ?? null;
  }

  /** @param {Sending} sending @param {MediaStreamTrack | null} track */
  #add(sending, track) {
    const { kind } = SENDING[sending];
    const encodings = this.#encodings(sending);
    const transceiver = this.#connection.addTransceiver(track ?? kind, {
      direction: track ? "sendonly" : "inactive",
      ...(encodings.length > 0 ? { sendEncodings: encodings } : {}),
    });
    this.#senders.set(sending, transceiver);
    return transceiver;
  }

  /** How a section is encoded as things stand. @param {Sending} sending */
  #encoding(sending) {
    const serving = this.#demands.get(this.midOf(sending) ?? "")?.codecs;
    return { ...this.#encoder, codec: chosen(this.#encoder.codec, serving, encodable()) };
  }

  /** @param {Sending} sending */
  #encodings(sending) {
    // How many there are was settled with the section, and that settles whether one has the layers of all.
    const { codec, layers } = this.#encoder;
    const spatial = layers === "svc" && hasSpatial(codec);
    return layered(SENDING[sending].ladder, this.#encoding(sending).codec, spatial);
  }

  /** Makes an offer and emits it; while another one is unanswered, afterwards. */
  async negotiate() {
    if (this.#offering) {
      this.#due = true;
      return;
    }
    this.#offering = true;
    try {
      await this.#connection.setLocalDescription();
    } catch (error) {
      this.#offering = false;
      throw error;
    }
    this.#slots = this.#connection.getTransceivers().filter((t) => t.direction === "recvonly").map((transceiver) => {
      const mid = transceiver.mid ?? "";
      const { track } = transceiver.receiver;
      const known = this.#slots.find((slot) => slot.mid === mid);
      return known ?? { mid, kind: track.kind === "audio" ? "audio" : "video", stream: new MediaStream([track]) };
    });
    this.emit("offer", this.#connection.localDescription?.sdp ?? "");
  }

  /** New addresses for the same call: finds a way again when the path was lost. */
  async restart() {
    this.#connection.restartIce();
    await this.negotiate();
  }

  /** Emits the unanswered offer again, if there is one: its answer was lost with the socket. */
  repeatOffer() {
    const { signalingState, localDescription } = this.#connection;
    if (signalingState === "have-local-offer" && localDescription) this.emit("offer", localDescription.sdp);
  }

  /** @param {string} sdp */
  async answered(sdp) {
    // An answer to an offer that was sent twice comes twice.
    if (this.#connection.signalingState !== "have-local-offer") return;
    await this.#connection.setRemoteDescription({ type: "answer", sdp });
    await this.#settled();
  }

  /** The offer was refused: what was agreed before still stands. */
  async rejected() {
    if (this.#connection.signalingState === "have-local-offer") {
      await this.#connection.setLocalDescription({ type: "rollback" });
    }
    await this.#settled();
  }

  async #settled() {
    this.#offering = false;
    for (const demand of this.#demands.values()) this.#obey(demand);
    if (this.#due) {
      this.#due = false;
      await this.negotiate();
    }
  }

  /**
   * Sends another track, or none. A section that has sent keeps its direction and pauses; only the first track of all
   * needs an offer.
   * @param {Sending} sending
   * @param {MediaStreamTrack | null} track
   */
  async setTrack(sending, track) {
    const transceiver = this.#senders.get(sending);
    if (!transceiver) {
      if (!track) return;
      preferCodecs(this.#add(sending, track), this.#encoder);
      return this.negotiate();
    }
    await transceiver.sender.replaceTrack(track);
    if (track && transceiver.direction === "inactive") {
      transceiver.direction = "sendonly";
      await this.negotiate();
    }
  }

  /**
   * Encodes what is wanted and nothing else. Limits of our own still hold.
   * @param {Demand} demand
   */
  async applyDemand(demand) {
    const sending = this.#sendingOf(demand.mid);
    if (!sending) return;
    const before = this.#encoding(sending).codec;
    this.#demands.set(demand.mid, demand);
    this.#obey(demand);
    const transceiver = this.#senders.get(sending);
    if (this.#encoding(sending).codec === before || !transceiver) return;
    preferCodecs(transceiver, this.#encoding(sending));
    await this.negotiate();
  }

  /** @param {string} mid */
  #sendingOf(mid) {
    return [...this.#senders.keys()].find((sending) => this.midOf(sending) === mid);
  }

  /** @param {Demand} demand */
  #obey(demand) {
    const sending = this.#sendingOf(demand.mid);
    const sender = sending && this.#senders.get(sending)?.sender;
    if (!sender) return;
    this.#parameters = this.#parameters.then(async () => {
      const parameters = sender.getParameters();
      if (obey(parameters.encodings, demand.encodings, this.#encodings(sending))) await sender.setParameters(parameters);
    }).catch(() => {
      // The connection was closed meanwhile, or an offer is under way, after which this is done again.
    });
  }

  /** Whoever is heard or seen in a slot, by the CSRC in its packets; exact to the frame. @param {string} mid */
  contributors(mid) {
    const transceiver = this.#connection.getTransceivers().find((candidate) => candidate.mid === mid);
    return transceiver?.receiver.getContributingSources?.() ?? [];
  }

  /** A look at the figures. @param {Figures} [before] */
  figures(before) {
    return figuresOf(this.#connection, before);
  }

  close() {
    this.#connection.onconnectionstatechange = null;
    this.#connection.close();
  }
}
