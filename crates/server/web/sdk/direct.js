// Media straight from one participant to the other, without the server between: a peer connection of its own, negotiated by
// words that the server passes on. Knows media and those words; when it is used and what is shown of it is for `paths`.

import { preferCodecs } from "./codecs.js";
import { Emitter } from "./emitter.js";
import { SENDING } from "./peer.js";
import { figuresOf } from "./stats.js";

/** @import { Sending } from "./peer.js" */
/** @import { Figures } from "./stats.js" */

/**
 * What the two say to each other as `data` of the message `direct`. `sections` is what its sender sends, by MID.
 * @typedef {{ description: { type: RTCSdpType, sdp: string }, sections: Record<string, string> }
 *   | { candidate: RTCIceCandidateInit }} Word
 */

/** The most that is sent, in bit/s: one picture for one viewer, without steps between which a server would choose. */
const MOST_BPS = { camera: 2_500_000, screen: 3_000_000 };
/** Between two looks at what arrives, and two signs of life. */
const LOOK_EVERY_MS = 250;
/** Without anything for so long the way is lost: browsers themselves notice it after five seconds and more. */
const SILENCE_MS = 2000;
/** How long the other one may take to let go as well. */
const PARTING_MS = 5000;

/**
 * Events: `word` is to be passed on to the other one; `arriving` when something else arrives than before; `ended` when it is
 * over, asked for or not.
 * @extends {Emitter<{ word: Word, arriving: null, ended: null }>}
 */
export class Direct extends Emitter {
  #connection;
  #polite;
  #tracks;
  /** @type {Map<Sending, RTCRtpTransceiver>} */
  #senders = new Map();
  /** What the other one sends, by MID. @type {Map<string, Sending>} */
  #sections = new Map();
  /** Of what frames or packets have come. @type {Map<Sending, MediaStreamTrack>} */
  #arriving = new Map();
  /** @type {RTCDataChannel | undefined} */
  #channel;
  #making = false;
  #ignoring = false;
  /** One word after the other. */
  #work = Promise.resolve();
  /** @type {ReturnType<typeof setInterval>} */
  #looking;
  /** Signs of life: what has come so far, and when it last was more. */
  #life = { come: 0, at: performance.now(), signs: 0 };
  #parting = { own: false, other: false };
  #ended = false;

  /**
   * @param {{ iceServers: RTCIceServer[], offers: boolean, tracks: ReadonlyMap<Sending, MediaStreamTrack> }} options
   */
  constructor({ iceServers, offers, tracks }) {
    super();
    this.#polite = !offers;
    this.#tracks = new Map(tracks);
    const connection = new RTCPeerConnection({ iceServers, bundlePolicy: "max-bundle" });
    this.#connection = connection;
    connection.onicecandidate = ({ candidate }) => { if (candidate) this.emit("word", { candidate: candidate.toJSON() }); };
    connection.onnegotiationneeded = () => this.#do(() => this.#offer());
    connection.onconnectionstatechange = () => { if (connection.connectionState === "failed") this.close(); };
    this.#looking = setInterval(() => void this.#look(), LOOK_EVERY_MS);
    if (offers) this.#begin();
  }

  /** What arrives, with the track that it is on. @returns {ReadonlyMap<Sending, MediaStreamTrack>} */
  get arriving() {
    return this.#arriving;
  }

  /** A word of the other one, which need not be one of ours. @param {unknown} data */
  hear(data) {
    this.#do(() => this.#hear(/** @type {Partial<Record<string, any>> | null} */ (data) ?? {}));
  }

  /** @param {Partial<Record<string, any>>} word */
  async #hear({ description, sections, candidate }) {
    const connection = this.#connection;
    if (candidate) {
      // Those of an offer that was overruled fit nothing, and are no failure.
      await connection.addIceCandidate(candidate).catch((error) => { if (!this.#ignoring) throw error; });
    }
    if (!description) return;
    // Two offers that meet: one of the two gives way (WebRTC 1.0 §10.7).
    const collision = description.type === "offer" && (this.#making || connection.signalingState !== "stable");
    this.#ignoring = !this.#polite && collision;
    if (this.#ignoring) return;
    const known = Object.entries(sections ?? {}).filter(([, sending]) => Object.hasOwn(SENDING, sending));
    this.#sections = new Map(/** @type {[string, Sending][]} */ (known));
    await connection.setRemoteDescription(description);
    if (description.type !== "offer") return;
    this.#begin();
    await connection.setLocalDescription();
    this.#describe();
  }

  /** What is sent from the start. Whoever answers adds it when the first offer is there, so that two offers do not meet. */
  #begin() {
    if (this.#channel) return;
    // What is lost of it is not worth repeating: the next sign of life comes anyway.
    this.#channel = this.#connection.createDataChannel("life", { negotiated: true, id: 0, ordered: false, maxRetransmits: 2 });
    this.#channel.onmessage = ({ data }) => {
      this.#life.signs += 1;
      if (data === "part") this.#part("other");
    };
    this.#channel.onclose = () => this.close();
    for (const [sending, track] of this.#tracks) this.#add(sending, track);
  }

  async #offer() {
    this.#making = true;
    try {
      await this.#connection.setLocalDescription();
    } finally {
      this.#making = false;
    }
    this.#describe();
  }

  #describe() {
    const { localDescription } = this.#connection;
    if (!localDescription) return;
    const sections = Object.fromEntries([...this.#senders].flatMap(([sending, { mid }]) => (mid ? [[mid, sending]] : [])));
    const { type, sdp } = localDescription;
    this.emit("word", { description: { type, sdp }, sections });
  }

  /** @param {Sending} sending @param {MediaStreamTrack} track */
  #add(sending, track) {
    const most = sending === "camera" || sending === "screen" ? MOST_BPS[sending] : undefined;
    const transceiver = this.#connection.addTransceiver(track, {
      direction: "sendonly", ...(most ? { sendEncodings: [{ maxBitrate: most }] } : {}),
    });
    preferCodecs(transceiver);
    this.#senders.set(sending, transceiver);
  }

  /** Sends another track, or none. @param {Sending} sending @param {MediaStreamTrack | null} track */
  async setTrack(sending, track) {
    if (track) this.#tracks.set(sending, track);
    else this.#tracks.delete(sending);
    const transceiver = this.#senders.get(sending);
    if (transceiver) await transceiver.sender.replaceTrack(track);
    else if (track && this.#channel) this.#add(sending, track);
  }

  /** @param {() => void | Promise<void>} step */
  #do(step) {
    this.#work = this.#work.then(() => (this.#ended ? undefined : step())).catch(() => {
      // What the two cannot agree on, they need not have: the server's way is there.
      this.close();
    });
  }

  /** What the other one sends in a section. @param {string} mid */
  receivedAt(mid) {
    return this.#sections.get(mid);
  }

  /** A look at the figures. @param {Figures} [before] */
  async figures(before) {
    return figuresOf(this.#connection, before);
  }

  async #look() {
    if (this.#channel?.readyState === "closed") return this.close();
    const { received } = await this.figures();
    if (this.#ended) return;
    let come = this.#life.signs;
    /** @type {Map<Sending, MediaStreamTrack>} */
    const arriving = new Map();
    for (const { mid, receiver: { track } } of this.#connection.getTransceivers()) {
      const sending = this.#sections.get(mid ?? "");
      const { bytes = 0, framesDecoded = 0 } = received.get(mid ?? "") ?? {};
      come += bytes;
      // A picture counts from its first frame on, sound from its first packet.
      if (sending && (track.kind === "video" ? framesDecoded : bytes) > 0) arriving.set(sending, track);
    }
    const now = performance.now();
    const up = this.#channel?.readyState === "open";
    if (come > this.#life.come || !up) this.#life = { ...this.#life, come, at: now };
    else if (now - this.#life.at > SILENCE_MS) return this.close();
    if (up) this.#channel?.send("here");
    const same = arriving.size === this.#arriving.size && [...arriving].every(([sending, track]) => this.#arriving.get(sending) === track);
    this.#arriving = arriving;
    if (!same) this.emit("arriving", null);
  }

  /** Needs nothing of it any more; it ends when the other one does not either. */
  part() {
    this.#part("own");
  }

  /** @param {"own" | "other"} who */
  #part(who) {
    if (this.#ended || this.#parting[who]) return;
    this.#parting[who] = true;
    if (who === "own" && this.#channel?.readyState === "open") {
      for (let repeated = 0; repeated < 3; repeated++) this.#channel.send("part");
      setTimeout(() => this.close(), PARTING_MS);
    }
    if ((this.#parting.own && this.#parting.other) || this.#channel?.readyState !== "open") this.close();
  }

  close() {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#looking);
    this.#connection.close();
    this.emit("ended", null);
  }
}
