// A QR code (ISO/IEC 18004) for an address: bytes, error correction M, versions 1 to 10. Pure: text in, squares out.

/**
 * Per version: codewords of error correction in a block, and blocks as [how many, data codewords in each].
 * @type {readonly (readonly [number, readonly (readonly [number, number])[]])[]}
 */
const BLOCKS = [
  [10, [[1, 16]]],
  [16, [[1, 28]]],
  [26, [[1, 44]]],
  [18, [[2, 32]]],
  [24, [[2, 43]]],
  [16, [[4, 27]]],
  [18, [[4, 31]]],
  [22, [[2, 38], [2, 39]]],
  [22, [[3, 36], [2, 37]]],
  [26, [[4, 43], [1, 44]]],
];

/** Centres of the alignment patterns per version; none in version 1. */
const ALIGNMENT = [[], [6, 18], [6, 22], [6, 26], [6, 30], [6, 34], [6, 22, 38], [6, 24, 42], [6, 26, 46], [6, 28, 50]];

/** @type {readonly ((row: number, column: number) => boolean)[]} */
const MASKS = [
  (r, c) => (r + c) % 2 === 0,
  (r) => r % 2 === 0,
  (_, c) => c % 3 === 0,
  (r, c) => (r + c) % 3 === 0,
  (r, c) => (Math.floor(r / 2) + Math.floor(c / 3)) % 2 === 0,
  (r, c) => ((r * c) % 2) + ((r * c) % 3) === 0,
  (r, c) => (((r * c) % 2) + ((r * c) % 3)) % 2 === 0,
  (r, c) => (((r + c) % 2) + ((r * c) % 3)) % 2 === 0,
];

/**
 * The squares of a code, row by row, true for dark; undefined when the text has more than 213 bytes.
 * @param {string} text
 * @returns {boolean[][] | undefined}
 */
export function qrCode(text) {
  const bytes = new TextEncoder().encode(text);
  const index = BLOCKS.findIndex((_, at) => bytes.length <= capacity(at + 1));
  if (index < 0) return undefined;
  const version = index + 1;
  const bits = codewords(bytes, version).flatMap((word) => bitsOf(word, 8));
  const candidates = MASKS.map((_, mask) => {
    const code = new Code(version);
    code.place(bits, mask);
    return code.squares;
  });
  const scores = candidates.map(penalty);
  return candidates[scores.indexOf(Math.min(...scores))];
}

/** Bytes of text that fit: data less the mode (4 bits) and the length (8 bits, 16 from version 10). @param {number} version */
function capacity(version) {
  return dataWords(version) - (version < 10 ? 2 : 3);
}

/** @param {number} version */
function dataWords(version) {
  return (BLOCKS[version - 1]?.[1] ?? []).reduce((sum, [count, words]) => sum + count * words, 0);
}

/** @param {number} value @param {number} count */
function bitsOf(value, count) {
  return Array.from({ length: count }, (_, bit) => (value >> (count - 1 - bit)) & 1);
}

/**
 * Data in blocks with their error correction, interleaved as they are placed.
 * @param {Uint8Array} bytes
 * @param {number} version
 */
function codewords(bytes, version) {
  const length = dataWords(version);
  const bits = [...bitsOf(4, 4), ...bitsOf(bytes.length, version < 10 ? 8 : 16), ...[...bytes].flatMap((byte) => bitsOf(byte, 8))];
  bits.push(...bitsOf(0, Math.min(4, length * 8 - bits.length)));
  while (bits.length % 8) bits.push(0);
  /** @type {number[]} */
  const data = [];
  for (let at = 0; at < bits.length; at += 8) data.push(parseInt(bits.slice(at, at + 8).join(""), 2));
  for (let pad = 0; data.length < length; pad++) data.push(pad % 2 ? 0x11 : 0xec);
  const [correction, groups] = BLOCKS[version - 1] ?? [0, []];
  const blocks = groups.flatMap(([count, words]) => Array.from({ length: count }, () => data.splice(0, words)));
  const corrections = blocks.map((block) => remainder(block, correction));
  const longest = Math.max(...blocks.map((block) => block.length));
  /** @param {number[][]} parts @param {number} size */
  const interleaved = (parts, size) =>
    Array.from({ length: size }, (_, at) => parts.flatMap((part) => part[at] ?? [])).flat();
  return [...interleaved(blocks, longest), ...interleaved(corrections, correction)];
}

/** Product in the field of 256 elements with the polynomial 0x11d. @param {number} a @param {number} b */
function times(a, b) {
  let product = 0;
  for (let bit = 7; bit >= 0; bit--) {
    product = (product << 1) ^ ((product >> 7) * 0x11d);
    if ((b >> bit) & 1) product ^= a;
  }
  return product;
}

/** Reed-Solomon: what is left of the data divided by the generator. @param {number[]} data @param {number} degree */
function remainder(data, degree) {
  let generator = [1];
  for (let root = 1, at = 0; at < degree; at++, root = times(root, 2)) {
    const shifted = [...generator, 0];
    generator = shifted.map((value, index) => value ^ times(generator[index - 1] ?? 0, root));
  }
  const rest = [...data, ...Array(degree).fill(0)];
  for (let at = 0; at < data.length; at++) {
    const factor = rest[at];
    generator.forEach((value, index) => { rest[at + index] ^= times(value, factor); });
  }
  return rest.slice(data.length);
}

/** The square under construction: what is fixed, then the data around it. */
class Code {
  /** @type {boolean[][]} */
  squares;
  /** @type {boolean[][]} */
  #fixed;
  #version;

  /** @param {number} version */
  constructor(version) {
    const size = 17 + 4 * version;
    this.#version = version;
    this.squares = Array.from({ length: size }, () => Array(size).fill(false));
    this.#fixed = Array.from({ length: size }, () => Array(size).fill(false));
    for (let at = 0; at < size; at++) {
      this.#set(6, at, at % 2 === 0);
      this.#set(at, 6, at % 2 === 0);
    }
    for (const [row, column] of /** @type {const} */ ([[3, 3], [3, size - 4], [size - 4, 3]])) this.#rings(row, column, 4, [2, 4]);
    const centres = ALIGNMENT[version - 1] ?? [];
    for (const row of centres) {
      for (const column of centres) {
        const corner = (row === 6 && (column === 6 || column === size - 7)) || (row === size - 7 && column === 6);
        if (!corner) this.#rings(row, column, 2, [1]);
      }
    }
    this.#set(size - 8, 8, true);
  }

  /**
   * Square rings around a centre, dark but for the light ones.
   * @param {number} row
   * @param {number} column
   * @param {number} reach
   * @param {number[]} light
   */
  #rings(row, column, reach, light) {
    for (let dr = -reach; dr <= reach; dr++) {
      for (let dc = -reach; dc <= reach; dc++) {
        this.#set(row + dr, column + dc, !light.includes(Math.max(Math.abs(dr), Math.abs(dc))));
      }
    }
  }

  /** @param {number} row @param {number} column @param {boolean} dark */
  #set(row, column, dark) {
    const [squares, fixed] = [this.squares[row], this.#fixed[row]];
    if (!squares || !fixed || column < 0 || column >= squares.length) return;
    squares[column] = dark;
    fixed[column] = true;
  }

  /** @param {number[]} bits @param {number} mask */
  place(bits, mask) {
    this.#describe(mask);
    const size = this.squares.length;
    let next = 0;
    // Upwards and downwards in turn, two columns wide, from the right; the column of the timing pattern is left out.
    for (let right = size - 1, up = true; right > 0; right -= 2, up = !up) {
      if (right === 6) right = 5;
      for (let step = 0; step < size; step++) {
        const row = up ? size - 1 - step : step;
        for (const column of [right, right - 1]) {
          const [squares, fixed] = [this.squares[row], this.#fixed[row]];
          if (!squares || !fixed || fixed[column]) continue;
          squares[column] = (bits[next++] === 1) !== MASKS[mask]?.(row, column);
        }
      }
    }
  }

  /** Format (error correction M is 00, and the mask), and from version 7 on the version. @param {number} mask */
  #describe(mask) {
    const size = this.squares.length;
    const format = protectedBits(mask, 10, 0x537) ^ 0x5412;
    for (let bit = 0; bit < 15; bit++) {
      const dark = ((format >> bit) & 1) === 1;
      const along = bit < 6 ? bit : bit < 8 ? bit + 1 : size - 15 + bit;
      this.#set(along, 8, dark);
      const across = bit < 8 ? size - 1 - bit : bit === 8 ? 7 : 14 - bit;
      this.#set(8, across, dark);
    }
    if (this.#version < 7) return;
    const version = protectedBits(this.#version, 12, 0x1f25);
    for (let bit = 0; bit < 18; bit++) {
      const [near, far] = [Math.floor(bit / 3), size - 11 + (bit % 3)];
      this.#set(near, far, ((version >> bit) & 1) === 1);
      this.#set(far, near, ((version >> bit) & 1) === 1);
    }
  }
}

/** A value with its BCH code behind it. @param {number} value @param {number} degree @param {number} generator */
function protectedBits(value, degree, generator) {
  let rest = value << degree;
  for (let bit = 31 - Math.clz32(rest | 1); bit >= degree; bit = 31 - Math.clz32(rest | 1)) rest ^= generator << (bit - degree);
  return (value << degree) | rest;
}

/** How hard a code is to read: runs, blocks, false finders, imbalance. @param {boolean[][]} squares */
function penalty(squares) {
  const size = squares.length;
  const columns = squares.map((_, column) => squares.map((row) => row[column] ?? false));
  let points = 0;
  for (const line of [...squares, ...columns]) {
    const text = line.map((dark) => (dark ? "1" : "0")).join("");
    for (const run of text.match(/0{5,}|1{5,}/g) ?? []) points += run.length - 2;
    points += 40 * (text.match(/(?=10111010000|00001011101)/g) ?? []).length;
  }
  let dark = 0;
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const square = squares[row]?.[column];
      if (square) dark += 1;
      const same = square === squares[row]?.[column + 1] && square === squares[row + 1]?.[column] && square === squares[row + 1]?.[column + 1];
      if (same) points += 3;
    }
  }
  return points + 10 * Math.floor(Math.abs((dark * 20) / size ** 2 - 10));
}
