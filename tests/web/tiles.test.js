// Which tiles there are, in which order, and which is large.

import assert from "node:assert/strict";
import { test } from "node:test";
import { items, lastingKey, order, stageKey } from "../../crates/server/web/sdk/tiles.js";
import { emptyRoom } from "../../crates/server/web/sdk/room.js";

/** @import { Participant } from "../../crates/server/web/sdk/messages.js" */

/** @param {string} id @param {("camera" | "screen")[]} sources @returns {Participant} */
function person(id, ...sources) {
  const publications = sources.map((source) => ({ id: `${id}-${source}`, kind: /** @type {const} */ ("video"), source, muted: false }));
  return { id, name: id.toUpperCase(), publications };
}

/** @param {...Participant} people */
function all(...people) {
  return items({ ...emptyRoom(), participants: new Map(people.map((one) => [one.id, one])) });
}

test("screens come first, everybody has a tile, with or without a camera", () => {
  const found = all(person("a", "camera"), person("b"), person("c", "camera", "screen"));
  assert.deepEqual(found.map(({ key, kind, picture }) => [key, kind, picture?.id]), [
    ["c/screen", "screen", "c-screen"], ["a", "person", "a-camera"], ["b", "person", undefined], ["c", "person", "c-camera"],
  ]);
});

test("what is large", () => {
  const people = all(person("a", "camera"), person("b", "camera"));
  const sharing = all(person("a", "camera"), person("b", "camera", "screen"));
  /** @type {[string, readonly import("../../crates/server/web/sdk/tiles.js").Item[], Parameters<typeof stageKey>[1], string | undefined][]} */
  const cases = [
    ["nothing in a grid", people, { layout: "grid", pinned: undefined, speaker: "b" }, undefined],
    ["who is pinned, even in a grid", people, { layout: "grid", pinned: "a", speaker: "b" }, "a"],
    ["who speaks", people, { layout: "stage", pinned: undefined, speaker: "b" }, "b"],
    ["somebody, when nobody ever spoke", people, { layout: "stage", pinned: undefined, speaker: undefined }, "a"],
    ["a screen before who speaks", sharing, { layout: "stage", pinned: undefined, speaker: "a" }, "b/screen"],
    ["a pin before a screen", sharing, { layout: "stage", pinned: "a", speaker: "b" }, "a"],
    ["a pin on somebody who left is none", people, { layout: "stage", pinned: "z", speaker: "b" }, "b"],
    ["nobody", [], { layout: "stage", pinned: undefined, speaker: undefined }, undefined],
  ];
  for (const [why, found, state, expected] of cases) assert.equal(stageKey(found, state), expected, why);
});

test("the large one goes first and the others keep their order", () => {
  const people = all(person("a"), person("b"), person("c"));
  assert.deepEqual(order(people, "b"), ["b", "a", "c"]);
  assert.deepEqual(order(people, undefined), ["a", "b", "c"]);
});

test("a tile is known again when everybody has another id", () => {
  const [before] = all(person("a", "camera"));
  const [after] = all(person("b", "camera"));
  assert.ok(before && after);
  /** @param {import("../../crates/server/web/sdk/tiles.js").Item} item @param {object} who */
  const as = (item, who) => lastingKey({ ...item, participant: { ...item.participant, ...who } });
  assert.equal(as(before, { name: "Ana" }), as(after, { name: "Ana" }));
  assert.equal(as(before, { name: "Ana", identity: "7" }), as(after, { name: "Ana B.", identity: "7" }), "by identity first");
  assert.notEqual(as(before, { name: "7" }), as(before, { name: "Ana", identity: "7" }), "a name is no identity");
  assert.notEqual(as(before, { name: "Ana" }), as({ ...before, kind: "screen" }, { name: "Ana" }), "a screen is another tile");
});
