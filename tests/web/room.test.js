// The room as a value: what each message makes of it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { cameraOf, emptyRoom, isSilent, reduce, screenOf, slotOf, stageSpeaker } from "../../crates/server/web/sdk/room.js";

/** @import { Joined, Participant, ServerMessage, SlotState } from "../../crates/server/web/sdk/messages.js" */

/** @param {string} id @param {Participant["publications"]} [publications] @returns {Participant} */
const person = (id, publications = []) => ({ id, name: id, publications });
/** @param {string} id @param {boolean} [muted] */
const camera = (id, muted = false) => ({ id, kind: /** @type {const} */ ("video"), source: /** @type {const} */ ("camera"), muted });
/** @param {string} mid @param {string} [publication] @returns {SlotState} */
const slot = (mid, publication) => ({ mid, ...(publication ? { publication } : {}), bitrate_bps: 0, reason: "startup" });
/** @param {Partial<Joined>} part @returns {Joined} */
const joined = (part) => ({ type: "joined", self: "me", participants: [], ice_servers: [], resume: "s", ...part,
  limits: /** @type {any} */ ({}) });
/** @param {ServerMessage[]} messages */
const after = (...messages) => messages.reduce(reduce, emptyRoom());

test("people come, change and go", () => {
  const room = after(joined({ participants: [person("a")] }), { type: "room", joined: [person("b")] },
    { type: "room", left: ["a"], changed: [{ ...person("b"), name: "Bea" }], joined: [person("c")] });
  assert.deepEqual([...room.participants.values()].map(({ name }) => name), ["Bea", "c"]);
  assert.equal(reduce(room, { type: "room", changed: [person("me")] }).participants.has("me"), false, "oneself is not another");
});

test("slots replace each other by MID", () => {
  const room = after(joined({}), { type: "slots", slots: [slot("3", "v1"), slot("4", "v2")] }, { type: "slots", slots: [slot("3")] });
  assert.equal(slotOf(room, "v1"), undefined);
  assert.equal(slotOf(room, "v2")?.mid, "4");
  assert.equal(slotOf(room, undefined), undefined);
});

test("a resumed room keeps its slots, a new one does not", () => {
  const before = after(joined({}), { type: "slots", slots: [slot("3", "v1")] });
  assert.equal(reduce(before, joined({ resumed: true })).slots.size, 1);
  assert.equal(reduce(before, joined({})).slots.size, 0);
});

test("messages about other things leave the very same room", () => {
  const room = after(joined({}));
  for (const message of /** @type {ServerMessage[]} */ ([{ type: "answer", sdp: "" }, { type: "moved", url: "" },
    /** @type {any} */ ({ type: "of-a-newer-server" })])) {
    assert.equal(reduce(room, message), room);
  }
});

test("a camera and a screen are two pictures, and a screen that is no longer shared is none", () => {
  const screen = { ...camera("s"), source: /** @type {const} */ ("screen") };
  const both = person("a", [camera("c"), screen]);
  assert.deepEqual([cameraOf(both)?.id, screenOf(both)?.id], ["c", "s"]);
  assert.equal(screenOf(person("a", [camera("c"), { ...screen, muted: true }])), undefined);
  assert.deepEqual([cameraOf(person("a")), screenOf(person("a"))], [undefined, undefined]);
});

test("what the link carries is kept until something else is said", () => {
  const known = after(joined({}), { type: "slots", slots: [], estimate_bps: 1_000_000, budget_bps: 800_000 });
  const silent = reduce(known, { type: "slots", slots: [] });
  assert.deepEqual([silent.estimate, silent.budget], [1_000_000, 800_000]);
  assert.equal(reduce(silent, joined({})).estimate, undefined, "another connection is another link");
});

test("silence is no microphone or a muted one", () => {
  const microphone = { id: "m", kind: /** @type {const} */ ("audio"), source: /** @type {const} */ ("microphone"), muted: false };
  assert.equal(isSilent(person("a")), true);
  assert.equal(isSilent(person("a", [microphone])), false);
  assert.equal(isSilent(person("a", [{ ...microphone, muted: true }])), true);
});

test("the stage follows the loudest other, stays when nobody speaks, and starts with a picture", () => {
  const room = after(joined({ participants: [person("a"), person("b", [camera("v")])] }));
  assert.equal(stageSpeaker(room, undefined), "b");
  assert.equal(stageSpeaker(room, "a"), "a");
  const speaking = reduce(room, { type: "speakers", speakers: [{ participant: "me", level: 10 }, { participant: "a", level: 30 }] });
  assert.equal(stageSpeaker(speaking, "b"), "a", "oneself is never on one's own stage");
  assert.equal(stageSpeaker(emptyRoom(), "gone"), undefined);
});
