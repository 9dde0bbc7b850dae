// The golden messages of proto/examples, through the code that meets them in a call.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { REASONS, explain, gradeOf } from "../../crates/server/web/sdk/reasons.js";
import { emptyRoom, reduce, slotOf } from "../../crates/server/web/sdk/room.js";
import { composeView } from "../../crates/server/web/sdk/view.js";
import { reportBetween } from "../../crates/server/web/sdk/stats.js";

const examples = new URL("../../proto/examples/", import.meta.url);
/** @param {string} name @returns {any} */
const golden = (name) => JSON.parse(readFileSync(new URL(`${name}.json`, examples), "utf8"));
const server = readdirSync(examples).filter((file) => file.startsWith("server-")).map((file) => golden(file.replace(".json", "")));

test("every message of the server can be met at any time", () => {
  assert.ok(server.length > 10);
  for (const first of server) {
    for (const second of server) {
      const room = reduce(reduce(emptyRoom(), first), second);
      assert.ok(room.participants instanceof Map && room.slots instanceof Map);
    }
  }
});

test("a room as the golden messages tell it", () => {
  const joined = golden("server-joined");
  const slots = golden("server-slots-bandwidth");
  const room = [joined, slots, golden("server-speakers")].reduce(reduce, emptyRoom());
  assert.equal(room.self, joined.self);
  assert.deepEqual([...room.participants.keys()], joined.participants.map((/** @type {any} */ p) => p.id));
  const [slot] = slots.slots;
  assert.deepEqual(slotOf(room, slot.publication), slot);
  assert.deepEqual(room.speakers, golden("server-speakers").speakers);
});

test("every slot of the golden messages is explained in a whole sentence", () => {
  for (const message of server.filter(({ type }) => type === "slots")) {
    for (const slot of message.slots) {
      assert.ok(Object.hasOwn(REASONS, slot.reason), slot.reason);
      assert.match(explain(slot), /^[0-9N][^{}]*\.$/);
      assert.ok(["full", "limited", "none"].includes(gradeOf(slot)));
    }
  }
});

test("the messages this client makes have no field that the contract lacks", () => {
  /** @param {any[]} made @param {any[]} known */
  const check = (made, known) => {
    const names = new Set(known.flatMap(Object.keys));
    for (const part of made) for (const name of Object.keys(part)) assert.ok(names.has(name), name);
  };
  const view = composeView(["3", "4"], new Map([["3", { width: 100, height: 100, visible: true, wish: "low", priority: 3, fit: "cover",
    aspect: 1, encodings: [], pinned: "t4" }]]), { pixelRatio: 1, pageHidden: false, vacant: { width: 1, height: 1 } });
  check([view], [golden("client-view")]);
  check(view.slots, golden("client-view").slots);
  const counters = { width: 1, height: 1, fps: 1, kbps: 1, framesDropped: 0, decodeTimeMs: 1, freezes: 0, keyframes: 0, packetsLost: 0, bytes: 1, codec: "" };
  /** @param {number} at @param {number} framesDecoded */
  const look = (at, framesDecoded) => ({ at, received: new Map([["3", { ...counters, framesDecoded }]]), sent: [], roundTripMs: 1 });
  const report = reportBetween(look(0, 0), look(2000, 60));
  check([report], [golden("client-report")]);
  assert.equal(report.slots.length, 1);
  check(report.slots, golden("client-report").slots);
});
