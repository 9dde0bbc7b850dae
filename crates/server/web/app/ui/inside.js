// "Look inside": the last two minutes of one's own downlink on a time axis, and a limiter to play with.

import { PRESETS, STEPS, positionOf, rateAt } from "../limits.js";
import { rateWords } from "../../sdk/reasons.js";
import { h, setText } from "./dom.js";
import { Plot } from "./plot.js";
import { Recorder } from "./recorder.js";

/** @import { Session } from "../../sdk/session.js" */

export class Inside {
  element;
  #call;
  #plot;
  #link = h("dl", { class: "facts" });
  #slider;
  #rate = h("output", { htmlFor: "limit" });
  #presets;
  #told = h("p", { class: "hint", role: "status" });

  /** @param {Pick<Session, "history" | "limit" | "setLimit" | "figures" | "room" | "decisions">} call */
  constructor(call) {
    this.#call = call;
    this.#plot = new Plot(call.history.span, "The last two minutes: what your link carries, what is sent, and how large each picture is");
    this.#slider = h("input", { id: "limit", type: "range", min: 0, max: STEPS, step: 1,
      on: { input: () => this.#limit(rateAt(Number(this.#slider.value))) } });
    this.#presets = PRESETS.map(({ name, bps }) => h("button", { type: "button", class: "chip", data: { bps: String(bps ?? "") },
      on: { click: () => this.#limit(bps) } }, name));
    const stamp = () => `terrace-${new Date().toISOString().replace(/[:.]/g, "-")}`;
    const recorder = new Recorder((signal, heard) => call.decisions(signal, heard), stamp, (words) => setText(this.#told, words));
    this.element = h("div", { class: "inside" },
      this.#plot.element,
      h("fieldset", { class: "limiter" }, h("legend", {}, "Try a slower link"),
        h("div", { class: "slide" }, h("label", { htmlFor: "limit", class: "unseen" }, "Your link's limit"), this.#slider, this.#rate),
        h("div", { class: "chips" }, ...this.#presets),
        h("p", { class: "hint" }, "The server sends you no more than this. Your real link is not slowed down.")),
      this.#link,
      h("div", { class: "chips" }, recorder.element), this.#told);
    this.refresh();
  }

  refresh() {
    const { history, limit, figures, room } = this.#call;
    this.#plot.show(history.samples);
    this.#slider.value = String(positionOf(limit));
    const words = limit === undefined ? "no limit" : rateWords(limit);
    setText(this.#rate, words);
    this.#slider.setAttribute("aria-valuetext", words);
    for (const button of this.#presets) {
      button.setAttribute("aria-pressed", String(button.dataset.bps === String(limit ?? "")));
    }
    /** @type {[string, string][]} */
    const facts = [
      ["Round trip", figures?.roundTripMs === undefined ? "–" : `${figures.roundTripMs} ms`],
      ["Your link carries", room.estimate ? rateWords(room.estimate) : "not known yet"],
      ["For pictures", room.budget ? rateWords(room.budget) : "no limit yet"],
      ["You receive", rateWords([...figures?.received.values() ?? []].reduce((sum, { kbps }) => sum + kbps * 1000, 0))],
      ["You send", rateWords((figures?.sent ?? []).reduce((sum, { kbps }) => sum + kbps * 1000, 0))],
    ];
    this.#link.replaceChildren(...facts.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
  }

  /** @param {number | undefined} bps */
  #limit(bps) {
    this.#call.setLimit(bps);
    this.refresh();
  }
}
