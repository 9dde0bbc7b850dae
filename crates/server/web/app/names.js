// Names of rooms: which are legal, the one in the page's path, and readable random ones.

const FIRST = ["amber", "brisk", "calm", "clear", "copper", "early", "gentle", "golden", "green", "high", "ivory",
  "keen", "light", "lively", "misty", "north", "olive", "open", "quiet", "rapid", "silver", "south", "still",
  "stone", "sunny", "tall", "velvet", "warm", "wide", "wild", "winter", "young"];
const SECOND = ["arch", "bay", "birch", "bridge", "brook", "cedar", "cliff", "cloud", "coast", "cove", "creek",
  "dune", "elm", "field", "fjord", "garden", "grove", "harbor", "hill", "island", "lake", "maple", "meadow",
  "orchard", "pine", "ridge", "river", "shore", "slope", "spring", "valley", "wood"];

/**
 * A room that nobody is likely to be in: 2^10 pairs of words and 2^20 numbers.
 * @param {Uint32Array} [random]  three random numbers
 */
export function randomRoom(random = crypto.getRandomValues(new Uint32Array(3))) {
  const [first = 0, second = 0, number = 0] = random;
  return [FIRST[first % FIRST.length], SECOND[second % SECOND.length], (number % 2 ** 20).toString(36)].join("-");
}

/**
 * Whether the server takes this as a room's name.
 * @param {string} name
 */
export function isRoomName(name) {
  return /^[A-Za-z0-9._~-]{1,64}$/.test(name);
}

/**
 * What people type, as a room's name: words are joined by hyphens, marks are taken off letters, the rest is left out.
 * @param {string} text
 */
export function toRoomName(text) {
  const trimmed = text.trim();
  if (isRoomName(trimmed)) return trimmed;
  const plain = trimmed.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  return plain.replace(/\s+/g, "-").replace(/[^a-z0-9._~-]/g, "").slice(0, 64);
}

/**
 * The room in a path `/r/<room>`.
 * @param {string} path
 */
export function roomInPath(path) {
  const name = /^\/r\/([^/]+)\/?$/.exec(path)?.[1];
  return name !== undefined && isRoomName(name) ? name : undefined;
}

/**
 * What to call somebody, as the server takes it: 1 to 64 characters, none of them a control character.
 * @param {string} text
 */
export function toParticipantName(text) {
  return [...text.replace(/\p{Cc}/gu, "").trim()].slice(0, 64).join("");
}

/**
 * One or two letters for a picture that is not there.
 * @param {string} name
 */
export function initials(name) {
  const words = name.split(/[\s._-]+/u).filter((word) => /[\p{L}\p{N}]/u.test(word));
  const letters = words.length > 1 ? [words[0], words.at(-1)] : words;
  return letters.map((word) => [...(word ?? "")].find((c) => /[\p{L}\p{N}]/u.test(c)) ?? "").join("").toUpperCase();
}
