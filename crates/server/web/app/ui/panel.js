// Dialogs over a call: why a picture is what it is, what this device sends, how to invite, which keys there are.

import { DIRECT, explain, gradeOf, rateWords } from "../../sdk/reasons.js";
import { listDevices } from "../../sdk/devices.js";
import { qrCode } from "../qr.js";
import { WISHES, ceilingOf } from "../../sdk/view.js";
import { h, icon, iconButton, squares } from "./dom.js";

/** @import { Encoding, SlotState } from "../../sdk/messages.js" */
/** @import { Received, Sent } from "../../sdk/stats.js" */
/** @import { Wish } from "../../sdk/view.js" */

const WISH_NAMES = { auto: "Auto", high: "High", medium: "Medium", low: "Low" };

/** One dialog at a time; Escape, the cross and a click beside it close it. */
export class Panel {
  element;
  #title = h("h2", { id: "panel-title" });
  #body = h("div", { class: "body" });
  /** @type {(() => void) | undefined} */
  #refresh;

  constructor() {
    this.element = h("dialog", { class: "panel", "aria-labelledby": "panel-title", on: {
      click: (/** @type {MouseEvent} */ event) => { if (event.target === this.element) this.element.close(); },
      close: () => { this.#refresh = undefined; },
    } }, h("header", {}, this.#title, iconButton("close", "Close", () => this.element.close())), this.#body);
  }

  /** Shows what is new in an open dialog. */
  refresh() {
    this.#refresh?.();
  }

  /**
   * @param {string} title
   * @param {HTMLElement[]} contents
   * @param {() => void} [refresh]
   */
  #open(title, contents, refresh) {
    this.#title.textContent = title;
    this.#body.replaceChildren(...contents);
    this.#refresh = refresh;
    refresh?.();
    if (!this.element.open) this.element.showModal();
  }

  /**
   * Why a picture is what it is, and what one would rather have.
   * @param {string} name
   * @param {() => { slot?: SlotState | undefined, received?: Received | undefined, direct: boolean, estimate?: number | undefined, encodings: readonly Encoding[],
   *                 wish: Wish, pinned: boolean }} look
   * @param {{ wish: (wish: Wish) => void, pin: () => void, inside: () => void }} act
   */
  why(name, look, act) {
    const sentence = h("p", { class: "because" });
    const facts = h("dl", {});
    const { encodings } = look();
    const wishes = h("div", { class: "choices" }, ...WISHES.map((wish) => {
      const ceiling = ceilingOf(wish, encodings);
      return h("label", {},
        h("input", { type: "radio", name: "wish", value: wish, checked: wish === look().wish,
          on: { change: () => act.wish(wish) } }),
        h("span", {}, WISH_NAMES[wish], ceiling ? h("small", {}, `${ceiling}p`) : h("small", {}, "best fit")));
    }));
    const pin = h("button", { type: "button", class: "plain", on: { click: () => { act.pin(); this.element.close(); } } },
      icon("pin"), look().pinned ? "Unpin" : "Pin");
    const inside = h("button", { type: "button", class: "plain", on: { click: () => { this.element.close(); act.inside(); } } },
      icon("inside"), "Look inside");
    const buttons = h("div", { class: "row" }, pin, inside);
    this.#open(name, [sentence, h("fieldset", {}, h("legend", {}, "Show at most"), wishes), facts, buttons], () => {
      const { slot, received, direct, estimate } = look();
      sentence.textContent = direct ? DIRECT.sentence : slot ? explain(slot, estimate) : "There is no picture in this tile now.";
      sentence.dataset.grade = direct ? "full" : gradeOf(slot);
      facts.replaceChildren(...factsOf(slot, received));
    });
  }

  /** What this device sends. @param {() => readonly Sent[]} look */
  sent(look) {
    const table = h("table", {});
    this.#open("What you send", [
      h("p", {}, "Your camera is encoded in several sizes. Each viewer gets the one that fits; sizes nobody needs are off."),
      table,
    ], () => {
      const head = h("tr", {}, ...["Encoding", "Size", "Frames", "Rate"].map((text) => h("th", {}, text)));
      const rows = look().map((sent) => h("tr", { class: sent.active ? "" : "off" }, ...[
        sent.rid || "single",
        sent.active && sent.width ? `${sent.width} × ${sent.height}` : "off",
        sent.active ? `${Math.round(sent.fps)} fps` : "",
        sent.active ? rateWords(sent.kbps * 1000) : "",
      ].map((text) => h("td", {}, text))));
      table.replaceChildren(head, ...rows);
    });
  }

  /** How to get others here. @param {string} address */
  invite(address) {
    const field = h("input", { value: address, readOnly: true, "aria-label": "Link to this room",
      on: { focus: () => field.select() } });
    const copy = h("button", { type: "button", class: "primary", on: { click: async () => {
      await navigator.clipboard?.writeText(address).then(() => { copy.textContent = "Copied"; }, () => field.select());
    } } }, "Copy link");
    const share = "share" in navigator && h("button", { type: "button", class: "plain",
      on: { click: () => void navigator.share({ url: address }).catch(() => {}) } }, "Share …");
    const buttons = h("div", { class: "row" }, copy, share);
    const code = qrCode(address);
    const picture = code && h("div", { class: "code", role: "img", "aria-label": "QR code of the link" }, squares(code));
    const words = h("p", {}, "Whoever opens this link can join. A phone can read it from the screen.");
    this.#open("Invite others", [words, ...(picture ? [picture] : []), field, buttons]);
  }

  /** A short list of things to do. @param {string} title @param {[import("./dom.js").Icon, string, () => void][]} entries */
  menu(title, entries) {
    this.#open(title, entries.map(([drawing, words, act]) => h("button", { type: "button", class: "entry",
      on: { click: () => { this.element.close(); act(); } } }, icon(drawing), words)));
  }

  /**
   * Which camera and microphone to use.
   * @param {Record<"audio" | "video", MediaStreamTrack | null>} tracks
   * @param {(kind: "audio" | "video", deviceId: string) => void} choose
   */
  async devices(tracks, choose) {
    const kinds = /** @type {const} */ ([["video", "Camera"], ["audio", "Microphone"]]);
    const rows = await Promise.all(kinds.map(async ([kind, label]) => {
      const used = tracks[kind]?.getSettings().deviceId;
      const known = await listDevices(kind);
      if (known.length === 0) return h("p", {}, `${label}: none that can be chosen. Turn it on once to see which there are.`);
      const select = h("select", { on: { change: () => choose(kind, select.value) } }, ...known.map((device) =>
        h("option", { value: device.deviceId, selected: device.deviceId === used }, device.label)));
      return h("label", { class: "field" }, h("span", {}, label), select);
    }));
    this.#open("Devices", rows);
  }

  keys() {
    const keys = [["m", "microphone on or off"], ["v", "camera on or off"], ["s", "share your screen"], ["g", "grid or stage"],
      ["c", "chat"], ["l", "look inside"], ["i", "invite others"], ["d", "devices"], ["?", "this list"]];
    this.#open("Keys", [h("dl", { class: "keys" }, ...keys.flatMap(([key, does]) =>
      [h("dt", {}, h("kbd", {}, key)), h("dd", {}, does)]))]);
  }
}

/**
 * @param {SlotState | undefined} slot
 * @param {Received | undefined} received
 */
function factsOf(slot, received) {
  if (!slot) return [];
  /** @type {[string, string][]} */
  const facts = [
    ["Encoding", slot.rid ?? "single"],
    ["Sent to you", slot.width ? `${slot.width} × ${slot.height}` : "nothing"],
    ["Decoded", received?.width ? `${received.width} × ${received.height}` : "nothing yet"],
    ["Frames", `${Math.round(received?.fps ?? 0)} per second`],
    ["Rate", rateWords((received?.kbps ?? 0) * 1000)],
    ["Codec", received?.codec || "–"],
    ["Freezes", String(received?.freezes ?? 0)],
  ];
  return facts.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]);
}
