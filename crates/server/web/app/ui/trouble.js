// The thin bar over a call: what is wrong with the connection and what is being done about it.

import { connectionProblem, mediaProblem } from "../../sdk/problems.js";
import { h, setText } from "./dom.js";

/** @import { Session } from "../../sdk/session.js" */

/** After this time without media something is in the way. */
const MEDIA_PATIENCE_MS = 12_000;
/** How long something is said that concerns a moment only. */
const PASSING_MS = 6000;

export class Trouble {
  element = h("p", { class: "bar", role: "status", hidden: true });
  #call;
  #changed;
  #started = performance.now();
  /** @type {string | undefined} */
  #passing;
  /** Whether an ordinary request came through while the socket was lost. @type {boolean | undefined} */
  #reachable;
  #end;

  /** @param {Pick<Session, "on" | "state">} call @param {() => void} changed  called when there is something else to say */
  constructor(call, changed) {
    this.#call = call;
    this.#changed = changed;
    const off = call.on("state", (state) => void this.#probe(state));
    const listeners = new AbortController();
    for (const event of ["online", "offline"]) addEventListener(event, changed, { signal: listeners.signal });
    const patience = setTimeout(changed, MEDIA_PATIENCE_MS);
    this.#end = () => {
      off();
      listeners.abort();
      clearTimeout(patience);
    };
  }

  end() {
    this.#end();
  }

  /** Says something for a moment. @param {string} words */
  say(words) {
    this.#passing = words;
    setTimeout(() => {
      if (this.#passing === words) this.#passing = undefined;
      this.#changed();
    }, PASSING_MS);
    this.#changed();
  }

  draw() {
    const words = this.#passing ?? this.#connection();
    this.element.hidden = !words;
    setText(this.element, words ?? "");
  }

  /** @returns {string | undefined} */
  #connection() {
    const { state } = this.#call;
    if (state.phase === "closed") return undefined;
    if (state.socket === "lost") {
      const found = { secure: isSecureContext, reachable: this.#reachable, online: navigator.onLine, host: location.host };
      const { title, advice } = connectionProblem(found);
      const goesOn = state.media === "connected" ? "Connection to the server lost, the call goes on. Reconnecting …" : "";
      return navigator.onLine && goesOn ? goesOn : `${title}. ${advice}`;
    }
    if (state.media === "lost") return "Sound and picture are interrupted. Looking for another way …";
    if (state.media === "connected") return undefined;
    if (performance.now() - this.#started < MEDIA_PATIENCE_MS) return "Connecting …";
    const { title, advice } = mediaProblem(location.hostname);
    return `${title}. ${advice}`;
  }

  /** Tells a server that is away from one that only refuses sockets. @param {Session["state"]} state */
  async #probe(state) {
    const lost = state.phase !== "closed" && state.socket === "lost";
    if (!lost) this.#reachable = undefined;
    if (!lost || this.#reachable !== undefined) return;
    const answer = await fetch("/", { method: "HEAD", cache: "no-store" }).catch(() => undefined);
    this.#reachable = answer !== undefined;
    this.#changed();
  }
}
