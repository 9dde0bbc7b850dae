// Whose uplink is weak: each page knows its own and tells the others, by `message` of the signalling as `{"weak": true}`. Pure.

import { Lasting } from "./lasting.js";

/** A word to somebody, or to everybody. @typedef {{ data: { weak: boolean }, to?: string }} Word */

export class Weak {
  #lasting = new Lasting(10_000);
  #own = false;
  /** Who knows that it is so. */
  #told = new Set();
  #others = new Set();

  /** Whether one's own is. */
  get own() {
    return this.#own;
  }

  /**
   * What is to be said, now that one's own link is the limit or not.
   * @param {boolean} limited
   * @param {number} now  milliseconds
   * @param {readonly string[]} others  who is there
   * @returns {Word[]}
   */
  note(limited, now, others) {
    const was = this.#own;
    this.#own = this.#lasting.note(limited, now);
    const news = others.filter((id) => !this.#told.has(id));
    this.#told = new Set(this.#own ? others : []);
    if (was !== this.#own) return [{ data: { weak: this.#own } }];
    return this.#own ? news.map((to) => ({ data: { weak: true }, to })) : [];
  }

  /** What somebody said. @param {string} from @param {unknown} data */
  heard(from, data) {
    if (typeof data !== "object" || data === null || !("weak" in data)) return;
    if (data.weak === true) this.#others.add(from);
    else this.#others.delete(from);
  }

  /** Whether somebody else's is. @param {string} id */
  has(id) {
    return this.#others.has(id);
  }
}
