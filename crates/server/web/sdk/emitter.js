// Events with names and types, for objects that are not DOM nodes.

/** @template {Record<string, unknown>} Events */
export class Emitter {
  /** @type {Map<keyof Events, Set<(value: any) => void>>} */
  #listeners = new Map();

  /**
   * Calls `listener` on every `event`; returns the function that ends it.
   * @template {keyof Events} E
   * @param {E} event
   * @param {(value: Events[E]) => void} listener
   */
  on(event, listener) {
    const listeners = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  /**
   * @template {keyof Events} E
   * @param {E} event
   * @param {Events[E]} value
   */
  emit(event, value) {
    for (const listener of this.#listeners.get(event) ?? []) listener(value);
  }
}
