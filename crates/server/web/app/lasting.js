// What has been so for a while: a state that comes and goes with every look is worth nobody's attention. Pure.

export class Lasting {
  #patience;
  /** @type {number | undefined} */
  #since;

  /** @param {number} patience  milliseconds */
  constructor(patience) {
    this.#patience = patience;
  }

  /** Whether it has been so for long enough. @param {boolean} is  whether it is so now @param {number} now  milliseconds */
  note(is, now) {
    if (!is) this.#since = undefined;
    else this.#since ??= now;
    return this.#since !== undefined && now - this.#since >= this.#patience;
  }
}
