// The operator's page: totals, everybody in a list with those in trouble first, and one receiver on a time axis.

import { rateWords } from "../../sdk/reasons.js";
import { KEPT_MS, Watch, workerWords } from "../operator.js";
import { h, mark, setText } from "./dom.js";
import { Plot } from "./plot.js";
import { Recorder } from "./recorder.js";

/** @import { Row, ServerState, WatchedRoom } from "../operator.js" */

/**
 * What can be done: each asks once and says what came of it.
 * @typedef {object} Actions
 * @property {(row: Row) => Promise<void>} remove
 * @property {(row: Row, muted: boolean) => Promise<void>} mute
 * @property {(draining: boolean) => Promise<void>} drain
 * @property {(row: Row, signal: AbortSignal, heard: (lines: number) => void) => Promise<string>} decisions
 */

export class OperatorScreen {
  element;
  watch = new Watch();
  #actions;
  #totals = h("dl", { class: "totals" });
  #note = h("p", { class: "bar", role: "status", hidden: true });
  #rows = h("tbody", {});
  #name = h("h2", { id: "who" });
  #about = h("p", { class: "hint" });
  #plot = new Plot(KEPT_MS, "The last ten minutes of this receiver");
  #detail;
  #mute = h("button", { type: "button", class: "plain", on: { click: () => void this.#muteOrNot() } });
  #recorder;
  #workers = h("ul", {});
  #drain = h("button", { type: "button", class: "plain", on: { click: () => void this.#drainOrNot() } });
  #server;
  #draining = false;
  #remove;
  #lost = false;
  /** @type {string | undefined} */
  #chosen;

  /** @param {Actions} actions */
  constructor(actions) {
    this.#actions = actions;
    this.#remove = h("button", { type: "button", class: "plain danger", on: { click: () => void this.#removeOne() } }, "Remove from the room");
    this.#recorder = new Recorder((signal, heard) => this.#actions.decisions(this.#one(), signal, heard),
      () => `terrace-${this.#one().room}-${this.#one().id}`, (words) => this.say(words));
    this.#server = h("section", { class: "server", "aria-label": "Server", hidden: true }, this.#workers, this.#drain);
    this.#detail = h("section", { class: "receiver", "aria-labelledby": "who", hidden: true },
      h("header", {}, this.#name, this.#mute, this.#remove), this.#about, this.#plot.element,
      h("div", { class: "chips" }, this.#recorder.element));
    const head = ["Name", "Room", "Link", "Pictures", "Sent", "Trouble"].map((text) => h("th", { scope: "col" }, text));
    this.element = h("main", { class: "operator" },
      h("header", {}, mark(), h("h1", {}, "Terrace"), this.#totals),
      this.#note,
      this.#server,
      h("div", { class: "both" },
        h("section", { class: "everybody", "aria-label": "Participants" },
          h("table", {}, h("thead", {}, h("tr", {}, ...head)), this.#rows)),
        this.#detail));
  }

  /** @param {number} at @param {readonly WatchedRoom[]} rooms @param {ServerState} [server]  for whoever may see all of it */
  show(at, rooms, server) {
    this.watch.note(at, rooms);
    if (this.#lost) this.say("");
    this.#draw();
    this.#server.hidden = !server;
    if (!server) return;
    this.#draining = server.draining;
    this.#workers.replaceChildren(...server.workers.map((worker, index) => h("li", {}, workerWords(worker, index))));
    setText(this.#drain, server.draining ? "Let people in again" : "Let nobody new in");
  }

  /** Says what is wrong or what was done. @param {string} words @param {boolean} [lost]  until the server answers again */
  say(words, lost = false) {
    this.#lost = lost;
    this.#note.hidden = words === "";
    setText(this.#note, words);
  }

  #draw() {
    const { rooms, participants, pictures, bps, troubled } = this.watch.totals();
    /** @type {[string, string][]} */
    const totals = [["rooms", String(rooms)], ["people", String(participants)], ["pictures", String(pictures)], ["sent", rateWords(bps)],
      ["in trouble", String(troubled)]];
    this.#totals.replaceChildren(...totals.map(([name, value]) =>
      h("div", { title: METRICS[name] ?? "" }, h("dd", {}, value), h("dt", {}, name))));
    const rows = this.watch.byTrouble();
    if (!rows.some(({ key }) => key === this.#chosen)) this.#chosen = rows.find(({ pictures: some }) => some > 0)?.key ?? rows[0]?.key;
    const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.key : undefined;
    this.#rows.replaceChildren(...rows.length > 0 ? rows.map((row) => this.#row(row))
      : [h("tr", {}, h("td", { colSpan: 6, class: "hint" }, "Nobody is here at the moment."))]);
    if (focused) [...this.#rows.querySelectorAll("button")].find(({ dataset }) => dataset.key === focused)?.focus();
    this.#drawDetail(rows.find(({ key }) => key === this.#chosen));
  }

  /** @param {Row} row */
  #row(row) {
    const choose = () => { this.#chosen = row.key; this.#draw(); };
    return h("tr", { class: row.key === this.#chosen ? "chosen" : "", on: { click: choose } },
      h("td", {}, h("button", { type: "button", data: { key: row.key }, "aria-pressed": String(row.key === this.#chosen) }, row.name),
        row.device && h("small", {}, row.device)),
      h("td", {}, row.room),
      h("td", { class: "number" }, row.estimate === undefined ? "–" : rateWords(row.estimate)),
      h("td", { class: "number" }, String(row.pictures)),
      h("td", { class: "number" }, rateWords(row.bps)),
      h("td", { data: { rank: String(row.trouble.rank) } }, row.trouble.words || "–"));
  }

  /** @param {Row | undefined} row */
  #drawDetail(row) {
    this.#detail.hidden = !row;
    if (!row) return;
    setText(this.#name, row.name);
    const budget = row.budget === undefined ? "no limit known" : `${rateWords(row.budget)} for pictures`;
    setText(this.#about, [row.room, row.device, budget, row.trouble.words].filter(Boolean).join(" · "));
    this.#mute.hidden = !row.sends;
    setText(this.#mute, row.silenced ? "Unmute" : "Mute");
    this.#plot.show(this.watch.samplesOf(row.key));
  }

  /** Whoever is looked at. */
  #one() {
    const row = this.watch.rows.find(({ key }) => key === this.#chosen);
    if (!row) throw new Error("Nobody is looked at.");
    return row;
  }

  #removeOne() {
    const row = this.#one();
    return this.#act(`Remove ${row.name} from ${row.room}?`, () => this.#actions.remove(row), `${row.name} was removed from ${row.room}.`);
  }

  #muteOrNot() {
    const row = this.#one();
    return row.silenced
      ? this.#act(`Let ${row.name} be heard and seen again?`, () => this.#actions.mute(row, false), `${row.name} is heard and seen again.`)
      : this.#act(`Mute all that ${row.name} sends?`, () => this.#actions.mute(row, true), `${row.name} is muted, sound and pictures.`);
  }

  #drainOrNot() {
    return this.#draining
      ? this.#act("Let people in again?", () => this.#actions.drain(false), "People are let in again.")
      : this.#act("Let nobody new in? Calls go on.", () => this.#actions.drain(true), "Nobody new is let in; calls go on.");
  }

  /** @param {string} question @param {() => Promise<void>} action @param {string} done */
  async #act(question, action, done) {
    if (!confirm(question)) return;
    try {
      await action();
      this.say(done);
    } catch (error) {
      this.say(error instanceof Error ? error.message : String(error));
    }
  }
}

/** Totals that /metrics has as well, by name. @type {Record<string, string>} */
const METRICS = { rooms: "terrace_rooms in /metrics", people: "terrace_participants in /metrics" };
