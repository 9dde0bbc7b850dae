// What is written in a call, as a value: who wrote it, when, and what is new. Carried by `message` of the signalling as
// `{"chat": "<text>"}`; anything else in a message is another page's business. Pure.

/** Characters of one entry. What is longer is cut, so that no page has to draw it. */
export const LONGEST = 2000;
/** Entries that are kept; older ones are forgotten. */
const MOST = 300;

/**
 * @typedef {{ from: string, text: string, at: number, own: boolean, private: boolean }} Entry  `from` is a name
 * @typedef {{ entries: readonly Entry[], unread: number }} Chat
 */

/** @returns {Chat} */
export function emptyChat() {
  return { entries: [], unread: 0 };
}

/** What to send for a text; nothing when it is empty. @param {string} text */
export function toData(text) {
  const cut = [...text.trim()].slice(0, LONGEST).join("");
  return cut === "" ? undefined : { chat: cut };
}

/** The text in somebody's data; nothing when it is none of ours. @param {unknown} data */
export function fromData(data) {
  const text = typeof data === "object" && data !== null && "chat" in data ? data.chat : undefined;
  return typeof text === "string" ? toData(text)?.chat : undefined;
}

/**
 * The chat with an entry more.
 * @param {Chat} chat
 * @param {Entry} entry
 * @param {boolean} open  whether it is being read
 * @returns {Chat}
 */
export function withEntry({ entries, unread }, entry, open) {
  return { entries: [...entries, entry].slice(-MOST), unread: open || entry.own ? unread : unread + 1 };
}

/** The chat after it was opened. @param {Chat} chat @returns {Chat} */
export function read({ entries }) {
  return { entries, unread: 0 };
}
