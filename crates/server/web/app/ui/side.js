// The side of a call: one thing at a time next to the pictures (below them on a phone), chat or the look inside.

import { h, iconButton } from "./dom.js";

/** @typedef {{ title: string, element: HTMLElement, shown: (open: boolean) => void }} Page */

/** @template {string} Name */
export class Side {
  element;
  #title = h("h2", { id: "side-title" });
  #body = h("div", { class: "body" });
  #pages;
  #changed;
  /** @type {Name | undefined} */
  #open;
  /** Where the focus was before. @type {HTMLElement | undefined} */
  #from;

  /** @param {Record<Name, Page>} pages @param {() => void} changed */
  constructor(pages, changed) {
    this.#pages = pages;
    this.#changed = changed;
    this.element = h("aside", { class: "side", hidden: true, "aria-labelledby": "side-title", on: {
      keydown: (/** @type {KeyboardEvent} */ event) => { if (event.key === "Escape") this.close(); },
    } }, h("header", {}, this.#title, iconButton("close", "Close", () => this.close())), this.#body);
  }

  /** What is open. */
  get open() {
    return this.#open;
  }

  /** @param {Name} name */
  toggle(name) {
    if (this.#open === name) return this.close();
    if (this.#open) this.#pages[this.#open].shown(false);
    else if (document.activeElement instanceof HTMLElement) this.#from = document.activeElement;
    const page = this.#pages[name];
    this.#open = name;
    this.#title.textContent = page.title;
    this.#body.replaceChildren(page.element);
    this.element.hidden = false;
    this.element.dataset.page = name;
    page.shown(true);
    this.#changed();
  }

  close() {
    if (!this.#open) return;
    this.#pages[this.#open].shown(false);
    this.#open = undefined;
    this.element.hidden = true;
    this.#from?.focus();
    this.#changed();
  }
}
