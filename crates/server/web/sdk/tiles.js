// Which tiles a call has, in which order, and which one is large. Pure: from the room as a value.

import { cameraOf, screenOf } from "./room.js";

/** @import { Participant, Publication } from "./messages.js" */
/** @import { Room } from "./room.js" */

/** The self view. */
export const OWN = "";

/**
 * A tile: a person (with a camera, without one, or with it off), or a screen that a person shares.
 * @typedef {{ key: string, participant: Participant, kind: "person" | "screen", picture: Publication | undefined }} Item
 */

/**
 * The tiles of the others: screens first, as they are what is being talked about, then people by arrival.
 * @param {Room} room
 * @returns {Item[]}
 */
export function items(room) {
  const all = [...room.participants.values()];
  const screens = all.flatMap((participant) => {
    const picture = screenOf(participant);
    return picture ? [{ key: `${participant.id}/screen`, participant, kind: /** @type {const} */ ("screen"), picture }] : [];
  });
  const people = all.map((participant) =>
    ({ key: participant.id, participant, kind: /** @type {const} */ ("person"), picture: cameraOf(participant) }));
  return [...screens, ...people];
}

/**
 * Whose tile it is beyond a restart of the server, after which everybody has another id: the identity of the token where
 * there is one, else the name.
 * @param {Item} item
 */
export function lastingKey({ participant: { identity, name }, kind }) {
  return JSON.stringify([kind, identity === undefined ? "name" : "identity", identity ?? name]);
}

/**
 * The tile to show large: the pinned one, else a shared screen, else whoever speaks. Nothing in a grid, unless pinned.
 * @param {readonly Item[]} all
 * @param {{ layout: "grid" | "stage", pinned: string | undefined, speaker: string | undefined }} state
 * @returns {string | undefined} its key
 */
export function stageKey(all, { layout, pinned, speaker }) {
  if (pinned !== undefined && all.some(({ key }) => key === pinned)) return pinned;
  if (layout === "grid") return undefined;
  const screen = all.find(({ kind }) => kind === "screen");
  return (screen ?? all.find(({ key }) => key === speaker) ?? all[0])?.key;
}

/**
 * The keys in the order of the tiles, the large one first.
 * @param {readonly Item[]} all
 * @param {string | undefined} large
 * @returns {string[]}
 */
export function order(all, large) {
  const keys = all.map(({ key }) => key);
  return large === undefined ? keys : [large, ...keys.filter((key) => key !== large)];
}
