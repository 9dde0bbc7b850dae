// What is shown by which way while there are two who talk directly, and what the server is told of it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { assign, beginSmall, hide, sendingOf } from "../../crates/server/web/sdk/paths.js";
import { emptyRoom } from "../../crates/server/web/sdk/room.js";

/** @import { Publication, SlotState, View } from "../../crates/server/web/sdk/messages.js" */
/** @import { Sending } from "../../crates/server/web/sdk/peer.js" */

const SLOTS = /** @type {const} */ ([{ mid: "3", kind: "audio" }, { mid: "4", kind: "audio" }, { mid: "5", kind: "video" }, { mid: "6", kind: "video" }]);

/** @type {Publication[]} */
const PUBLICATIONS = [
  { id: "t1", kind: "audio", source: "microphone", muted: false },
  { id: "t2", kind: "video", source: "camera", muted: false },
  { id: "t3", kind: "video", source: "screen", muted: false },
  { id: "t4", kind: "audio", source: "screen", muted: false },
];

/** @param {Record<string, string>} shown  publication by MID */
function room(shown) {
  const slots = Object.entries(shown).map(([mid, publication]) =>
    /** @type {[string, SlotState]} */ ([mid, { mid, participant: "p2", publication, bitrate_bps: 1, reason: "optimal" }]));
  const participants = new Map([["p2", { id: "p2", name: "Ben", publications: PUBLICATIONS }]]);
  return { ...emptyRoom(), participants, slots: new Map(slots) };
}

test("a publication is what its section sends", () => {
  assert.deepEqual(PUBLICATIONS.map(sendingOf), ["microphone", "camera", "screen", "screen-sound"]);
});

test("pictures go where the server put them, and sound where there is room", () => {
  /** @type {[string, Record<string, string>, Sending[], Record<string, Sending>][]} */
  const cases = [
    ["nothing has come", { 5: "t2", 3: "t1" }, [], {}],
    ["a picture in its slot", { 6: "t2" }, ["camera"], { 6: "camera" }],
    ["what is in no slot is shown nowhere", { 6: "t2" }, ["camera", "screen"], { 6: "camera" }],
    ["sound in the slot that it has", { 4: "t1" }, ["microphone"], { 4: "microphone" }],
    ["sound whose slot was turned off in the first", {}, ["microphone"], { 3: "microphone" }],
    ["two sounds in two", { 3: "t4" }, ["microphone", "screen-sound"], { 3: "screen-sound", 4: "microphone" }],
    ["what did not come stays with the server", { 5: "t2", 6: "t3" }, ["screen"], { 6: "screen" }],
  ];
  for (const [why, shown, arriving, expected] of cases) {
    assert.deepEqual(Object.fromEntries(assign(room(shown), SLOTS, "p2", new Set(arriving))), expected, why);
  }
  assert.equal(assign(room({ 5: "t2" }), SLOTS, "p9", new Set(/** @type {Sending[]} */ (["camera"]))).size, 0, "somebody else's");
});

test("what comes directly is hidden at the server, and the rest is as it was", () => {
  /** @type {View} */
  const view = { type: "view", slots: [{ mid: "5", want: "auto", width: 640, height: 360 }, { mid: "6", want: "auto" }] };
  const picture = hide(view, SLOTS, new Set(["5"]));
  assert.deepEqual(picture.slots, [{ mid: "5", want: "auto", width: 0, height: 0 }, { mid: "6", want: "auto" }]);
  const both = hide(view, SLOTS, new Set(["3", "5"]));
  assert.deepEqual(both.slots.slice(2), [{ mid: "3", want: "none" }, { mid: "4", want: "none" }], "all sound is the other one's");
  assert.deepEqual(beginSmall(view, new Set(["6"])).slots, [view.slots[0], { mid: "6", want: "auto", max_height: 1 }], "on the way back");
  assert.equal(view.slots[0]?.width, 640, "the page's own view is left alone");
});
