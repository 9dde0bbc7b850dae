// A button that gathers decisions until it is pressed again, and hands them to the user as a file.

import { h, setText } from "./dom.js";

export class Recorder {
  element = h("button", { type: "button", class: "chip record", on: { click: () => void this.#press() } });
  #gather;
  #name;
  #say;
  /** @type {AbortController | undefined} */
  #running;

  /**
   * @param {(signal: AbortSignal, heard: (lines: number) => void) => Promise<string>} gather
   * @param {() => string} name  of the file, without its ending
   * @param {(words: string) => void} say  told what came of it
   */
  constructor(gather, name, say) {
    this.#gather = gather;
    this.#name = name;
    this.#say = say;
    this.#show();
  }

  /** Whether it is gathering. */
  get running() {
    return this.#running !== undefined;
  }

  /** @param {number} [lines] */
  #show(lines = 0) {
    setText(this.element, this.running ? `Stop and save (${lines})` : "Save decisions as file");
    this.element.setAttribute("aria-pressed", String(this.running));
  }

  async #press() {
    if (this.#running) return this.#running.abort();
    this.#running = new AbortController();
    const name = `${this.#name()}.jsonl`;
    this.#show();
    try {
      const text = await this.#gather(this.#running.signal, (lines) => this.#show(lines));
      const file = URL.createObjectURL(new Blob([text], { type: "application/jsonl" }));
      h("a", { href: file, download: name }).click();
      setTimeout(() => URL.revokeObjectURL(file), 60_000);
      this.#say(`Saved as ${name}. “terrace sim replay ${name}” decides it all again.`);
    } catch (error) {
      this.#say(error instanceof Error ? error.message : String(error));
    }
    this.#running = undefined;
    this.#show();
  }
}
