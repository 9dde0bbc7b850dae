// Where tiles go in an area: a grid of all, or one on a stage with the others in a strip. Pure, in CSS pixels.

/**
 * @typedef {{ x: number, y: number, width: number, height: number }} Rectangle
 * @typedef {object} Layout
 * @property {Rectangle[]} tiles  in the order of the tiles; in a stage layout the first is the stage
 * @property {number} hidden  tiles at the end that have no room
 */

/** Shapes between which a tile may be: a portrait of 4:5 and the 16:9 of a camera. A stage may be as tall as 9:16. */
const NARROWEST = 4 / 5;
const NARROWEST_STAGE = 9 / 16;
const WIDEST = 16 / 9;
/** Below this width in CSS pixels nobody recognises a face. */
const SMALLEST = 96;

/**
 * All tiles alike, as large as they get; the last row is centred.
 * @param {number} count
 * @param {{ width: number, height: number }} area
 * @param {number} gap
 * @returns {Layout}
 */
export function grid(count, area, gap) {
  const visible = Math.min(count, mostTiles(area, gap));
  let best = { columns: 1, width: 0, height: 0 };
  for (let columns = 1; columns <= visible; columns++) {
    const rows = Math.ceil(visible / columns);
    const cell = { width: share(area.width, columns, gap), height: share(area.height, rows, gap) };
    const size = shaped(cell);
    if (score(size) > score(best)) best = { columns, ...size };
  }
  const rows = Math.ceil(visible / best.columns);
  const top = (area.height - (rows * (best.height + gap) - gap)) / 2;
  const tiles = Array.from({ length: visible }, (_, index) => {
    const row = Math.floor(index / best.columns);
    const inRow = Math.min(best.columns, visible - row * best.columns);
    const left = (area.width - (inRow * (best.width + gap) - gap)) / 2;
    const x = left + (index - row * best.columns) * (best.width + gap);
    return rounded({ x, y: top + row * (best.height + gap), width: best.width, height: best.height });
  });
  return { tiles, hidden: count - visible };
}

/**
 * The first tile large, the others in a strip: below it in portrait, beside it in landscape.
 * @param {number} count
 * @param {{ width: number, height: number }} area
 * @param {number} gap
 * @returns {Layout}
 */
export function stage(count, area, gap) {
  if (count < 2) {
    const alone = shaped(area, NARROWEST_STAGE);
    const at = { x: (area.width - alone.width) / 2, y: (area.height - alone.height) / 2 };
    return { tiles: Array.from({ length: count }, () => rounded({ ...at, ...alone })), hidden: 0 };
  }
  const portrait = area.height > area.width;
  const strip = portrait
    ? { width: 0, height: clamp(area.height * 0.2, SMALLEST * 0.75, 180) }
    : { width: clamp(area.width * 0.2, SMALLEST, 280), height: 0 };
  const thumb = portrait
    ? { width: clamp(share(area.width, count - 1, gap), strip.height * 0.8, strip.height * WIDEST), height: strip.height }
    : { width: strip.width, height: strip.width / WIDEST };
  const length = portrait ? area.width : area.height;
  const each = portrait ? thumb.width : thumb.height;
  const visible = Math.min(count - 1, Math.max(1, Math.floor((length + gap) / (each + gap))));
  const room = portrait
    ? { width: area.width, height: area.height - strip.height - gap }
    : { width: area.width - strip.width - gap, height: area.height };
  // On the stage nothing is cut off in landscape; in portrait the tile may be as tall as the screen allows.
  const main = portrait ? shaped(room, NARROWEST_STAGE) : { width: Math.min(room.width, room.height * WIDEST * 1.1), height: room.height };
  const start = (length - (visible * (each + gap) - gap)) / 2;
  const left = portrait ? 0 : (area.width - (main.width + gap + strip.width)) / 2;
  const top = portrait ? (area.height - (main.height + gap + strip.height)) / 2 : 0;
  const tiles = [rounded({ x: portrait ? (area.width - main.width) / 2 : left, y: top, ...main })];
  for (let index = 0; index < visible; index++) {
    const along = start + index * (each + gap);
    tiles.push(rounded(portrait
      ? { x: along, y: top + main.height + gap, ...thumb }
      : { x: left + main.width + gap, y: along, ...thumb }));
  }
  return { tiles, hidden: count - 1 - visible };
}

/**
 * How many tiles of the smallest size an area holds.
 * @param {{ width: number, height: number }} area
 * @param {number} gap
 */
function mostTiles(area, gap) {
  const columns = Math.floor((area.width + gap) / (SMALLEST + gap));
  const rows = Math.floor((area.height + gap) / (SMALLEST / WIDEST + gap));
  return Math.max(1, columns * rows);
}

/**
 * The largest allowed shape inside a cell.
 * @param {{ width: number, height: number }} cell
 * @param {number} [narrowest]
 */
function shaped({ width, height }, narrowest = NARROWEST) {
  return { width: Math.min(width, height * WIDEST), height: Math.min(height, width / narrowest) };
}

/**
 * What of a 16:9 picture can be seen in a tile that it covers: a square tile has as much area as a wide one, and cuts
 * off the sides.
 * @param {{ width: number, height: number }} tile
 */
function score({ width, height }) {
  return Math.min(width, height * WIDEST) * Math.min(height, (width / WIDEST) * 1.4);
}

/** @param {number} length @param {number} parts @param {number} gap */
function share(length, parts, gap) {
  return (length - gap * (parts - 1)) / parts;
}

/** @param {number} value @param {number} least @param {number} most */
function clamp(value, least, most) {
  return Math.min(Math.max(value, least), most);
}

/** @param {Rectangle} rectangle */
function rounded({ x, y, width, height }) {
  return { x: Math.floor(x), y: Math.floor(y), width: Math.floor(width), height: Math.floor(height) };
}
