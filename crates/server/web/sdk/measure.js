// How large elements are and whether they can be seen: one observer of each kind for all tiles.

/** @typedef {{ width: number, height: number, visible: boolean }} Measured  in CSS pixels */

export class Measure {
  /** @type {Map<Element, Partial<Measured>>} */
  #sizes = new Map();
  #resize;
  #visibility;

  /** @param {() => void} changed */
  constructor(changed) {
    this.#resize = new ResizeObserver((entries) => {
      for (const { target, contentRect } of entries) {
        this.#update(target, { width: contentRect.width, height: contentRect.height });
      }
      changed();
    });
    this.#visibility = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) this.#update(target, { visible: isIntersecting });
      changed();
    });
  }

  /** @param {Element} element */
  add(element) {
    this.#sizes.set(element, {});
    this.#resize.observe(element);
    this.#visibility.observe(element);
  }

  /** @param {Element} element */
  remove(element) {
    this.#sizes.delete(element);
    this.#resize.unobserve(element);
    this.#visibility.unobserve(element);
  }

  /** Undefined until both observers have looked. @param {Element} element @returns {Measured | undefined} */
  of(element) {
    const { width, height, visible } = this.#sizes.get(element) ?? {};
    return width === undefined || height === undefined || visible === undefined ? undefined : { width, height, visible };
  }

  end() {
    this.#resize.disconnect();
    this.#visibility.disconnect();
  }

  /** @param {Element} element @param {Partial<Measured>} part */
  #update(element, part) {
    const known = this.#sizes.get(element);
    if (known) Object.assign(known, part);
  }
}
