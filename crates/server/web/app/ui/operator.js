// The operator's page: totals, everybody in a list with those in trouble first, and one receiver on a time axis.

import { rateWords } from "../../sdk/reasons.js";
import { KEPT_MS, Watch } from "../operator.js";
import { h, mark, setText } from "./dom.js";
import { Plot } from "./plot.js";

/** @import { Row, WatchedRoom } from "../operator.js" */

/** What can be done to somebody: each asks once and says what came of it. @typedef {{ remove: (row: Row) => Promise<void> }} Actions */

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
  #remove;
  /** @type {string | undefined} */
  #chosen;

  /** @param {Actions} actions */
  constructor(actions) {
    this.#actions = actions;
    this.#remove = h("button", { type: "button", class: "plain danger", on: { click: () => void this.#act() } }, "Remove from the room");
    this.#detail = h("section", { class: "receiver", "aria-labelledby": "who", hidden: true },
      h("header", {}, this.#name, this.#remove), this.#about, this.#plot.element);
    const head = ["Name", "Room", "Link", "Pictures", "Sent", "Trouble"].map((text) => h("th", { scope: "col" }, text));
    this.element = h("main", { class: "operator" },
      h("header", {}, mark(), h("h1", {}, "Terrace"), this.#totals),
      this.#note,
      h("div", { class: "both" },
        h("section", { class: "everybody", "aria-label": "Participants" },
          h("table", {}, h("thead", {}, h("tr", {}, ...head)), this.#rows)),
        this.#detail));
  }

  /** @param {number} at @param {readonly WatchedRoom[]} rooms */
  show(at, rooms) {
    this.watch.note(at, rooms);
    this.say("");
    this.#draw();
  }

  /** Says what is wrong or what was done; nothing takes it away. @param {string} words */
  say(words) {
    this.#note.hidden = words === "";
    setText(this.#note, words);
  }

  #draw() {
    const { rooms, participants, pictures, bps, troubled } = this.watch.totals();
    /** @type {[string, string][]} */
    const totals = [["rooms", String(rooms)], ["people", String(participants)], ["pictures", String(pictures)], ["sent", rateWords(bps)],
      ["in trouble", String(troubled)]];
    this.#totals.replaceChildren(...totals.map(([name, value]) => h("div", {}, h("dd", {}, value), h("dt", {}, name))));
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
    this.#plot.show(this.watch.samplesOf(row.key));
  }

  async #act() {
    const row = this.watch.rows.find(({ key }) => key === this.#chosen);
    if (!row || !confirm(`Remove ${row.name} from ${row.room}?`)) return;
    try {
      await this.#actions.remove(row);
      this.say(`${row.name} was removed from ${row.room}.`);
    } catch (error) {
      this.say(error instanceof Error ? error.message : String(error));
    }
  }
}
