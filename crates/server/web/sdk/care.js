// How careful this device asks one to be with energy and heat: from its battery and from the pressure on its processor.

/** @typedef {"normal" | "saver" | "critical"} PowerState */
/** @typedef {"nominal" | "fair" | "serious" | "critical"} Pressure  of the Compute Pressure API */

/** A processor is busy for a moment whenever something is opened; only what lasts is a sign. */
const LASTS_MS = 10_000;
/** And it must have had time to cool before everything is asked of it again. */
const COOLED_MS = 30_000;

/**
 * How careful a battery asks one to be.
 * @param {{ charging: boolean, level: number }} battery
 * @returns {PowerState}
 */
export function powerState({ charging, level }) {
  if (charging || level > 0.2) return "normal";
  return level > 0.07 ? "saver" : "critical";
}

/**
 * The more careful of two.
 * @param {PowerState | undefined} a
 * @param {PowerState | undefined} b
 * @returns {PowerState | undefined}
 */
export function careful(a, b) {
  const order = /** @type {const} */ (["critical", "saver", "normal"]);
  return order.find((state) => state === a || state === b);
}

/**
 * Whether a processor is strained, from what it reports. A strained one asks for fewer frames and no more: what its
 * decoders really fail at, the reports of decoding show better.
 */
export class Strain {
  strained = false;
  /** @type {number | undefined} */
  #since;

  /**
   * Takes note of a state that was seen at a time in milliseconds; returns whether `strained` changed. The same state may
   * be noted again and again, as time passes.
   * @param {Pressure} pressure
   * @param {number} now
   */
  note(pressure, now) {
    const high = pressure === "serious" || pressure === "critical";
    if (high === this.strained) {
      this.#since = undefined;
      return false;
    }
    this.#since ??= now;
    if (now - this.#since < (high ? LASTS_MS : COOLED_MS)) return false;
    this.strained = high;
    this.#since = undefined;
    return true;
  }
}

/**
 * Watches the processor, where the browser tells of it; calls back when its strain begins and ends. Returns the function
 * that stops it.
 * @param {(strained: boolean) => void} changed
 * @param {any} [Observer]
 */
export function watchPressure(changed, Observer = /** @type {any} */ (globalThis).PressureObserver) {
  if (!Observer) return () => {};
  const strain = new Strain();
  /** @type {Pressure} */
  let last = "nominal";
  const note = () => { if (strain.note(last, performance.now())) changed(strain.strained); };
  const observer = new Observer((/** @type {{ state: Pressure }[]} */ records) => {
    last = records.at(-1)?.state ?? last;
    note();
  });
  // Observers speak of changes only, and what lasts does not change.
  const timer = setInterval(note, 2000);
  // A browser may refuse; then nothing is known, as without the interface.
  Promise.resolve(observer.observe("cpu", { sampleInterval: 2000 })).catch(() => clearInterval(timer));
  return () => {
    clearInterval(timer);
    observer.disconnect();
  };
}
