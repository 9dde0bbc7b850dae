// One participant on the screen: picture or initials, name, states, and a badge that says what is shown and why.

import { DIRECT, gradeOf, rateWords, sizeWord, wordsFor } from "../../sdk/reasons.js";
import { initials } from "../names.js";
import { h, icon, setText } from "./dom.js";

/** @import { SlotState } from "../../sdk/messages.js" */
/** @import { Received, Sent } from "../../sdk/stats.js" */

/**
 * What a tile shows at the moment.
 * @typedef {object} Contents
 * @property {string} name
 * @property {boolean} own  the self view
 * @property {boolean} screen  a shared screen, of which nothing may be cut off
 * @property {MediaStream | null} stream
 * @property {boolean} silent
 * @property {boolean} speaking
 * @property {boolean} pinned
 * @property {"connecting" | "connected" | "reconnecting"} connection
 * @property {boolean} cameraOff
 * @property {boolean} [weak]  less is sent than is wanted, because the link carries no more
 * @property {boolean} [direct]  the picture comes straight from its sender
 * @property {SlotState} [slot]
 * @property {Received} [received]
 * @property {readonly Sent[]} [sent]
 */

export class Tile {
  element;
  video = h("video", { autoplay: true, playsInline: true, muted: true, disablePictureInPicture: true });
  /** The publication's wish and pin live with the tile: they are the user's, not the server's. */
  /** @type {import("../../sdk/view.js").Wish} */
  wish = "auto";
  #initials = h("span", {});
  #name = h("span", { class: "name" });
  #states = h("span", { class: "states" });
  #size = h("b", {});
  #detail = h("span", { class: "detail" });
  #why = h("span", { class: "why" });
  #badge;
  #stateWords = "";

  /**
   * @param {string} key  of the tile; that of a person is the participant's id, that of the self view empty
   * @param {() => void} explain  called when the badge is pressed
   */
  constructor(key, explain) {
    this.#badge = h("button", { type: "button", class: "badge", hidden: true, "aria-haspopup": "dialog",
      on: { click: explain } }, h("i", {}), this.#size, this.#detail, this.#why);
    this.element = h("article", { class: "tile", data: { participant: key } },
      h("div", { class: "avatar" }, this.#initials), this.video,
      h("footer", {}, this.#states, this.#name), this.#badge);
  }

  /** @param {Contents} contents */
  show(contents) {
    const { element, video } = this;
    const { name, own, stream, slot, received } = contents;
    element.classList.toggle("own", own);
    element.classList.toggle("screen", contents.screen);
    element.classList.toggle("speaking", contents.speaking);
    element.classList.toggle("pinned", contents.pinned);
    setText(this.#initials, initials(name) || "?");
    setText(this.#name, own ? "You" : name);
    if (video.srcObject !== stream) video.srcObject = stream;
    // Until its first frame a video is a black hole; the initials stay in front of it.
    video.hidden = !stream || (!own && !received?.framesDecoded);
    this.#showStates(contents);
    this.#badge.hidden = own ? contents.cameraOff : !slot || !stream;
    if (own) this.#showSent(contents.sent ?? []);
    else if (slot) this.#showReceived(slot, received, contents.direct ?? false);
    if (slot) element.dataset.mid = slot.mid;
    else delete element.dataset.mid;
  }

  /** @param {Contents} contents */
  #showStates({ silent, screen, cameraOff, connection, pinned, name, weak }) {
    /** @type {[import("./dom.js").Icon, string][]} */
    const states = [];
    if (connection === "reconnecting") states.push(["warning", "reconnecting"]);
    if (weak) states.push(["warning", "weak connection"]);
    if (screen) states.push(["screen", "shared screen"]);
    if (silent) states.push(["mic-off", "microphone off"]);
    if (cameraOff) states.push(["camera-off", "camera off"]);
    if (pinned) states.push(["pin", "pinned"]);
    const words = states.map(([, word]) => word).join(", ");
    this.element.setAttribute("aria-label", words ? `${name}: ${words}` : name);
    if (words === this.#stateWords) return;
    this.#stateWords = words;
    this.#states.replaceChildren(...states.map(([drawing, word]) => h("span", { title: word }, icon(drawing))));
  }

  /** @param {SlotState} slot @param {Received | undefined} received @param {boolean} direct */
  #showReceived(slot, received, direct) {
    const decoded = received?.width ? received : undefined;
    const size = sizeWord(decoded ?? slot);
    const short = direct ? DIRECT.short : wordsFor(slot.reason).short;
    this.#badge.dataset.grade = direct ? "full" : gradeOf(slot);
    this.#badge.dataset.reason = direct ? "direct" : slot.reason;
    setText(this.#size, size);
    const rate = rateWords(decoded ? decoded.kbps * 1000 : slot.bitrate_bps);
    const parts = [direct ? undefined : slot.rid, `${Math.round(decoded?.fps ?? slot.fps ?? 0)} fps`, rate];
    setText(this.#detail, parts.filter(Boolean).join(" · "));
    setText(this.#why, short);
    this.#badge.setAttribute("aria-label", `${size}, ${short}. Why?`);
  }

  /** What leaves this device: encodings that nobody wants are off. @param {readonly Sent[]} sent */
  #showSent(sent) {
    const active = sent.filter((encoding) => encoding.active && encoding.kbps > 0);
    const top = active.at(-1);
    this.#badge.dataset.grade = top ? "full" : "none";
    setText(this.#size, top ? `sending ${sizeWord(top)}` : "not sending");
    const kbps = active.reduce((sum, encoding) => sum + encoding.kbps, 0);
    setText(this.#detail, top ? `${active.map(({ rid }) => rid).join(" ")} · ${rateWords(kbps * 1000)}` : "");
    setText(this.#why, top ? "" : "nobody needs your picture now");
    this.#badge.setAttribute("aria-label", `${this.#size.textContent}. Details`);
  }
}
