// The chat at the side of a call: what was written, and a field to write in.

import { LONGEST, emptyChat, fromData, read, toData, withEntry } from "../chat.js";
import { h } from "./dom.js";

/** @import { Entry } from "../chat.js" */

const TIME = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

export class ChatBox {
  element;
  #chat = emptyChat();
  #log = h("ol", { class: "log", role: "log", "aria-label": "Messages", tabIndex: 0 });
  #field;
  #open = false;
  #send;
  #changed;

  /**
   * @param {(data: { chat: string }) => boolean} send  false when it could not be sent
   * @param {() => void} changed  called when the number of unread entries changed
   */
  constructor(send, changed) {
    this.#send = send;
    this.#changed = changed;
    this.#field = h("input", { maxLength: LONGEST, placeholder: "Write to everybody", "aria-label": "Message", autocomplete: "off", enterKeyHint: "send" });
    this.element = h("div", { class: "chat" }, this.#log,
      h("form", { on: { submit: (/** @type {Event} */ event) => { event.preventDefault(); this.#submit(); } } },
        this.#field, h("button", { type: "submit", class: "primary" }, "Send")));
    this.#draw();
  }

  /** Entries that came while it was closed. */
  get unread() {
    return this.#chat.unread;
  }

  /** @param {boolean} open */
  setOpen(open) {
    this.#open = open;
    if (!open) return;
    this.#chat = read(this.#chat);
    this.#changed();
    this.#field.focus();
    this.#log.scrollTop = this.#log.scrollHeight;
  }

  /** Takes a message of the signalling; what is no chat is left alone. @param {string} from @param {unknown} data @param {boolean} direct */
  receive(from, data, direct) {
    const text = fromData(data);
    if (text !== undefined) this.#add({ from, text, at: Date.now(), own: false, private: direct });
  }

  #submit() {
    const data = toData(this.#field.value);
    if (!data) return;
    if (!this.#send(data)) {
      this.#field.setCustomValidity("Not connected: try again in a moment.");
      this.#field.reportValidity();
      return this.#field.setCustomValidity("");
    }
    this.#field.value = "";
    this.#add({ from: "You", text: data.chat, at: Date.now(), own: true, private: false });
  }

  /** @param {Entry} entry */
  #add(entry) {
    this.#chat = withEntry(this.#chat, entry, this.#open);
    this.#draw();
    this.#changed();
  }

  #draw() {
    const { entries } = this.#chat;
    if (entries.length === 0) {
      this.#log.replaceChildren(h("li", { class: "hint" }, "What you write here is seen by everybody in the call, and kept nowhere."));
      return;
    }
    const atEnd = this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight < 40;
    this.#log.replaceChildren(...entries.map(({ from, text, at, own, private: direct }) => h("li", { class: own ? "own" : "" },
      h("p", { class: "from" }, h("b", {}, direct ? `${from}, to you` : from), h("time", {}, TIME.format(at))), h("p", {}, text))));
    if (atEnd) this.#log.scrollTop = this.#log.scrollHeight;
  }
}
