// What is shown where, as the `view` message says it: drawn sizes in physical pixels, wishes, priorities. Pure.

/** @import { Encoding, SlotView, View, Want } from "./messages.js" */

/** What the user asked for in a tile's menu. */
export const WISHES = /** @type {const} */ (["auto", "high", "medium", "low"]);
/** @typedef {typeof WISHES[number]} Wish */

/**
 * A tile as it is on the screen, in CSS pixels.
 * @typedef {object} Tile
 * @property {number} width
 * @property {number} height
 * @property {boolean} visible
 * @property {Wish} wish
 * @property {0 | 1 | 2 | 3} priority  0 thumbnail, 1 tile, 2 stage, 3 pinned
 * @property {"cover" | "contain"} fit  how the picture fills the tile
 * @property {number} aspect  width by height of the picture; 16/9 until it is known
 * @property {readonly Encoding[]} encodings  of the publication shown
 * @property {string} [pinned]  the publication that must be in this slot
 */

/** Most messages per second that sizes may cause: a window being dragged changes them at every frame. */
export const VIEWS_PER_SECOND = 4;

/**
 * The size at which a picture is drawn in a tile, in physical pixels: with `contain` it fits inside, with `cover` it
 * fills the tile and its overhang counts, as it is scaled with the rest.
 * @param {Pick<Tile, "width" | "height" | "fit" | "aspect">} tile
 * @param {number} pixelRatio
 */
export function drawnSize(tile, pixelRatio) {
  const tileAspect = tile.width / tile.height;
  const byHeight = (tile.fit === "cover") === (tile.aspect > tileAspect);
  const width = byHeight ? tile.height * tile.aspect : tile.width;
  const height = byHeight ? tile.height : tile.width / tile.aspect;
  return { width: Math.round(width * pixelRatio), height: Math.round(height * pixelRatio) };
}

/**
 * The ceiling behind a wish: the shorter side of that encoding of the publication, so that "medium" is what the sender
 * has between its best and its smallest. Before anything arrived, the usual ladder.
 * @param {Wish} wish
 * @param {readonly Encoding[]} encodings
 */
export function ceilingOf(wish, encodings) {
  if (wish === "auto") return undefined;
  const sides = encodings.map(({ width, height }) => Math.min(width, height)).filter((side) => side > 0);
  const ladder = sides.length > 0 ? sides.sort((a, b) => a - b) : [180, 360, 720];
  const at = { low: 0, medium: Math.floor((ladder.length - 1) / 2), high: ladder.length - 1 }[wish];
  return ladder[at];
}

/**
 * The `view` of a page. Slots without a tile stay `auto` at the size the next tile would have: the server may fill
 * them, and knows how large that will be. A hidden page and a hidden tile have the size zero.
 * @param {readonly string[]} mids  the video slots
 * @param {ReadonlyMap<string, Tile>} tiles  by MID
 * @param {{ pixelRatio: number, pageHidden: boolean, vacant: { width: number, height: number } }} page
 * @returns {View}
 */
export function composeView(mids, tiles, page) {
  const slots = mids.map((mid) => {
    const tile = tiles.get(mid);
    const vacant = { ...page.vacant, fit: /** @type {const} */ ("cover"), aspect: 16 / 9, visible: true };
    const shown = tile ?? vacant;
    const hidden = page.pageHidden || !shown.visible || shown.width < 1 || shown.height < 1;
    /** @type {Want} */
    const want = tile?.pinned === undefined ? "auto" : { publication: tile.pinned };
    /** @type {SlotView} */
    const slot = { mid, want, ...(hidden ? { width: 0, height: 0 } : drawnSize(shown, page.pixelRatio)) };
    if (tile) {
      slot.priority = tile.priority;
      const ceiling = ceilingOf(tile.wish, tile.encodings);
      if (ceiling !== undefined) slot.max_height = ceiling;
    }
    return slot;
  });
  return { type: "view", slots };
}

/**
 * Lets calls through at most so often, and always the last one: `schedule` runs a function after milliseconds.
 * @param {() => void} action
 * @param {number} interval
 * @param {{ now: () => number, schedule: (action: () => void, delay: number) => unknown }} clock
 */
export function throttle(action, interval, clock) {
  let last = -Infinity;
  let waiting = false;
  const run = () => {
    waiting = false;
    last = clock.now();
    action();
  };
  return () => {
    if (waiting) return;
    const delay = last + interval - clock.now();
    if (delay <= 0) return run();
    waiting = true;
    clock.schedule(run, delay);
  };
}
