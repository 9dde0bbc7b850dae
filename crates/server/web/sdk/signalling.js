// The socket: joins, returns by itself after a loss, and says what came. Knows messages, not what they mean.

import { Emitter } from "./emitter.js";
import { SUBPROTOCOL } from "./messages.js";

/** @import { ClientMessage, Join, ServerMessage, ServerError } from "./messages.js" */

/**
 * Errors after which trying again is right: the server is restarting, or lost track of us, or is met by a whole office at
 * once, of which it lets in so many per second.
 */
const PASSING = new Set(["shutting_down", "internal", "timeout", "transport_failed", "too_fast"]);

const FIRST_DELAY_MS = 200;
/** A server that restarts is met within this time, so that a call is whole again within five seconds. */
const LONGEST_DELAY_MS = 2000;
/** After so many tries, about half a minute, it is no restart: from then on a server is asked less often. */
const QUICK_TRIES = 20;
const PATIENT_DELAY_MS = 8000;
/** How long a connection may take until it has joined. One to a host that is down takes minutes to fail by itself. */
const JOIN_PATIENCE_MS = 10_000;

/**
 * The delay before try number `attempt` (from 1) to connect again: doubled each time, and spread, so that a server that
 * restarts is not met by everybody at once.
 * @param {number} attempt
 * @param {number} random  from 0 to 1
 */
export function reconnectDelay(attempt, random) {
  const longest = attempt > QUICK_TRIES ? PATIENT_DELAY_MS : LONGEST_DELAY_MS;
  const delay = Math.min(FIRST_DELAY_MS * 2 ** (attempt - 1), longest);
  return Math.round(delay * (0.5 + random / 2));
}

/**
 * What the socket needs of the world, so that tests can stand in for it.
 * @typedef {object} World
 * @property {(url: string, protocol: string) => WebSocket} connect
 * @property {(action: () => void, delay: number) => unknown} schedule
 * @property {() => number} random
 */

/** @type {World} */
const BROWSER = {
  connect: (url, protocol) => new WebSocket(url, protocol),
  schedule: (action, delay) => setTimeout(action, delay),
  random: Math.random,
};

/**
 * Events: `joined` after every join, the first and those after a loss; `lost` when the socket broke and is being
 * replaced; `refused` when there is no point in trying again; `message` for everything else.
 * @extends {Emitter<{
 *   joined: Extract<ServerMessage, { type: "joined" }>,
 *   lost: { attempt: number, everJoined: boolean },
 *   refused: { code: string, message: string },
 *   message: ServerMessage,
 * }>}
 */
export class Signalling extends Emitter {
  #url;
  #join;
  #world;
  /** @type {WebSocket | undefined} */
  #socket;
  /** @type {string | undefined} */
  #resume;
  #joined = false;
  #everJoined = false;
  #attempt = 0;
  #closed = false;
  /** @type {RTCDataChannel | undefined} */
  #channel;

  /**
   * @param {string} url
   * @param {() => Join} join  what to join with; asked anew at every connection
   * @param {World} [world]
   */
  constructor(url, join, world = BROWSER) {
    super();
    this.#url = url;
    this.#join = join;
    this.#world = world;
  }

  /** Connects and joins; goes on doing so until `close`. */
  open() {
    if (this.#closed || this.#socket) return;
    const socket = this.#world.connect(this.#url, SUBPROTOCOL);
    this.#socket = socket;
    this.#world.schedule(() => {
      if (this.#socket !== socket || this.#joined) return;
      socket.close();
      this.#broken();
    }, JOIN_PATIENCE_MS);
    socket.onopen = () => {
      const resume = this.#resume === undefined ? {} : { resume: this.#resume };
      socket.send(JSON.stringify({ ...this.#join(), ...resume }));
    };
    socket.onmessage = ({ data }) => this.#socket === socket && this.#receive(String(data));
    // `onerror` says nothing that `onclose` does not say as well.
    socket.onclose = () => this.#socket === socket && this.#broken();
  }

  /** A way for messages beside the socket, which goes on while that is lost. @param {RTCDataChannel} channel */
  attach(channel) {
    this.#channel = channel;
    channel.onmessage = ({ data }) => this.#channel === channel && this.#receive(String(data));
  }

  /**
   * Sends a message. False when there is no joined connection: what describes a state is sent again after the next
   * `joined`, and nothing else is worth keeping.
   * @param {ClientMessage} message
   */
  send(message) {
    const { type } = message;
    const text = JSON.stringify(message);
    const wants = type === "message" || type === "report" || (!this.#joined && type !== "offer" && type !== "leave");
    if (wants && this.#channel?.readyState === "open") {
      try {
        this.#channel.send(text);
        return true;
      } catch {
        // Too long for it, or too much waits in it: the socket may do.
      }
    }
    if (!this.#joined || !this.#socket) return false;
    this.#socket.send(text);
    return true;
  }

  /** The secret with which this participant returns, and by which the server knows it elsewhere. */
  get secret() {
    return this.#resume;
  }

  /** Forgets that we were here, so that the next join makes a new participant, and reconnects. */
  startAnew() {
    this.send({ type: "leave" });
    this.#resume = this.#channel = undefined;
    const socket = this.#socket;
    this.#socket = undefined;
    this.#joined = false;
    socket?.close(1000);
    this.open();
  }

  /** Tries at once instead of after the delay, for when the network came back. */
  hurry() {
    if (!this.#closed && !this.#socket) this.open();
  }

  /** Leaves for good. */
  close() {
    this.send({ type: "leave" });
    this.#closed = true;
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close(1000);
  }

  /** @param {string} text */
  #receive(text) {
    /** @type {ServerMessage} */
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return; // Not of this protocol; nothing can be made of it.
    }
    if (message.type === "joined") {
      this.#resume = message.resume;
      this.#joined = this.#everJoined = true;
      this.#attempt = 0;
      this.emit("joined", message);
    } else if (message.type === "moved") {
      this.#url = message.url;
      this.#replace();
    } else if (message.type === "error" && message.fatal) {
      this.#failed(message);
    } else {
      this.emit("message", message);
    }
  }

  /** @param {ServerError} error */
  #failed(error) {
    if (PASSING.has(error.code)) {
      if (error.code === "transport_failed") this.#resume = undefined;
      return; // The server closes the socket now; `#broken` goes on from there.
    }
    this.#closed = true;
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close(1000);
    this.emit("refused", { code: error.code, message: error.message });
  }

  #replace() {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#joined = false;
    socket?.close(1000);
    this.open();
  }

  #broken() {
    this.#socket = undefined;
    this.#joined = false;
    if (this.#closed) return;
    this.#attempt += 1;
    this.emit("lost", { attempt: this.#attempt, everJoined: this.#everJoined });
    this.#world.schedule(() => this.hurry(), reconnectDelay(this.#attempt, this.#world.random()));
  }
}
