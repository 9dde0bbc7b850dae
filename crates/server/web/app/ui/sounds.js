// The others' voices: one audio element per slot, out of sight. Browsers let a page be heard after a gesture only, so there
// may have to be a button.

import { h } from "./dom.js";

/** @import { Slot } from "../../sdk/peer.js" */

export class Sounds {
  element = h("div", { hidden: true });
  button;

  constructor() {
    this.button = h("button", { type: "button", class: "primary unmute", hidden: true,
      on: { click: () => this.#play() } }, "Tap to hear the others");
  }

  /** @param {readonly Slot[]} slots */
  show(slots) {
    const streams = slots.filter(({ kind }) => kind === "audio").map(({ stream }) => stream);
    const known = [...this.element.children].map((child) => child instanceof HTMLAudioElement && child.srcObject);
    if (streams.length === known.length && streams.every((stream, index) => stream === known[index])) return;
    this.element.replaceChildren(...streams.map((srcObject) => h("audio", { srcObject, autoplay: true })));
    this.#play();
  }

  #play() {
    this.button.hidden = true;
    for (const sound of this.element.children) {
      if (!(sound instanceof HTMLAudioElement)) continue;
      sound.play().catch((error) => { if (error.name === "NotAllowedError") this.button.hidden = false; });
    }
  }
}
