// Where tiles are: puts each one at its place, lets one's own float over the others on a small screen, and knows how large
// an empty slot would be. Decides nothing about who is shown.

import { grid, stage } from "../layout.js";
import { OWN } from "../../sdk/tiles.js";
import { h, setText } from "./dom.js";

/** @import { Rectangle } from "../layout.js" */
/** @import { Tile } from "./tile.js" */

const GAP = 8;
/** At this size a screen is held in a hand. */
const SMALL = 600;

export class Arrangement {
  /** What a newcomer's tile would be, in CSS pixels. */
  vacant = { width: 320, height: 180 };
  more = h("span", { class: "more", hidden: true });

  /**
   * @param {ReadonlyMap<string, Tile>} tiles
   * @param {readonly string[]} keys  the others, in order; the first is large when `staged`
   * @param {boolean} staged
   * @param {{ width: number, height: number }} area  in CSS pixels
   */
  place(tiles, keys, staged, area) {
    const small = Math.min(area.width, area.height) < SMALL;
    const arrange = staged ? stage : grid;
    // One's own picture must not take room from the others: on a small screen, and where it would be cut off, it floats.
    const floating = keys.length > 0 && (small || arrange(keys.length + 1, area, GAP).hidden > 0);
    const shown = floating ? keys : [...keys, OWN];
    const { tiles: places, hidden } = arrange(shown.length, area, GAP);
    shown.forEach((key, index) => {
      const element = tiles.get(key)?.element;
      const place = places[index];
      if (!element) return;
      element.hidden = !place;
      element.classList.toggle("on-stage", staged && index === 0 && shown.length > 1);
      element.classList.remove("floating");
      if (place) put(element, place);
    });
    const [first] = places;
    const own = tiles.get(OWN)?.element;
    if (own && floating) float(own, first ?? { x: 0, y: 0, ...area }, area);
    this.vacant = arrange(shown.length + 1, area, GAP).tiles.at(-1) ?? this.vacant;
    this.more.hidden = hidden === 0;
    setText(this.more, `and ${hidden} more`);
    // In the lower right corner of the first tile, where it covers nobody in the strip.
    if (first) {
      const [right, bottom] = [first.x + first.width - GAP, first.y + first.height - GAP];
      this.more.style.translate = `calc(${right}px - 100%) calc(${bottom}px - 100%)`;
    }
  }
}

/** @param {HTMLElement} own @param {Rectangle} main @param {{ width: number, height: number }} area */
function float(own, main, area) {
  const width = Math.min(area.width * 0.28, area.height * 0.28, 200);
  const size = { width, height: width * (area.height > area.width ? 4 / 3 : 9 / 16) };
  own.hidden = false;
  own.classList.add("floating");
  put(own, { x: main.x + main.width - size.width - GAP, y: main.y + GAP, ...size });
}

/** @param {HTMLElement} element @param {Rectangle} place */
function put({ style }, { x, y, width, height }) {
  style.translate = `${x}px ${y}px`;
  style.width = `${width}px`;
  style.height = `${height}px`;
}
