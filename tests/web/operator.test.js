// What an operator sees: names instead of ids, trouble first, and nobody who has left.

import assert from "node:assert/strict";
import { test } from "node:test";
import { KEPT_MS, Watch, samplesOf, shownTo, troubleOf } from "../../crates/server/web/app/operator.js";

/** @import { SlotState, Reason } from "../../crates/server/web/sdk/messages.js" */
/** @import { Watched, WatchedRoom } from "../../crates/server/web/app/operator.js" */

const CAMERA = { id: "v1", kind: /** @type {const} */ ("video"), source: /** @type {const} */ ("camera"), muted: false };
/** @param {Reason} reason @param {number} height @returns {SlotState} */
const slot = (reason, height) => ({ mid: "3", participant: "p1", publication: "v1", bitrate_bps: height * 1000, reason,
  ...(height ? { rid: "h", width: height * 2, height, fps: 30 } : {}) });

/** @param {SlotState[]} slots @param {Partial<Watched>} [part] @returns {WatchedRoom} */
function room(slots, part = {}) {
  return { name: "garden", participants: [
    { id: "p1", name: "Ana", publications: [CAMERA] },
    { id: "p2", name: "Ben", device: "mobile", slots, downlink: { estimate_bps: 900_000, budget_bps: null }, ...part },
  ] };
}

test("slots are shown by whose picture is in them; sound is left out", () => {
  const watched = room([slot("bandwidth", 360), { mid: "1", participant: "p1", publication: "a1", bitrate_bps: 30_000, reason: "optimal" }]);
  assert.deepEqual([...shownTo(watched, /** @type {Watched} */ (watched.participants[1]))],
    [["3", { label: "Ana", rid: "h", height: 360, fps: 30, bps: 360_000, reason: "bandwidth" }]]);
});

test("trouble", () => {
  /** @type {[string, SlotState[], Partial<Watched>, number][]} */
  const cases = [
    ["nothing", [slot("viewport", 360)], {}, 0],
    ["nobody sends", [slot("publisher_off", 0)], {}, 0],
    ["a hidden tile", [slot("hidden", 0)], {}, 0],
    ["a device at its end", [slot("device_decode_budget", 180)], {}, 1],
    ["a narrow link", [slot("bandwidth", 180)], {}, 2],
    ["a picture that is not there", [slot("bandwidth", 0)], {}, 3],
    ["a lost connection", [slot("viewport", 360)], { connection: "reconnecting" }, 4],
  ];
  for (const [why, slots, part, rank] of cases) {
    const watched = room(slots, part);
    const receiver = /** @type {Watched} */ (watched.participants[1]);
    assert.equal(troubleOf(receiver, shownTo(watched, receiver)).rank, rank, why);
  }
});

test("ten minutes are kept of those who are here", () => {
  const watch = new Watch();
  for (let at = 0; at <= KEPT_MS + 60_000; at += 1000) watch.note(at, [room([slot("bandwidth", 360)])]);
  const samples = watch.samplesOf("garden/p2");
  assert.deepEqual([samples.length, samples[0]?.at, samples[0]?.estimate, samples[0]?.budget], [601, 60_000, 900_000, undefined]);
  assert.deepEqual(watch.byTrouble().map(({ name }) => name), ["Ben", "Ana"]);
  assert.deepEqual(watch.totals(), { rooms: 1, participants: 2, pictures: 1, bps: 360_000, troubled: 1 });
  watch.note(KEPT_MS + 61_000, []);
  assert.deepEqual([watch.samplesOf("garden/p2"), watch.totals().participants], [[], 0]);
});

test("what the server kept comes first, and what is seen follows it", () => {
  /** @type {import("../../crates/server/web/app/operator.js").Past} */
  const past = { id: "p2", name: "Ben", at_ms: [1000, 2000, 3000], estimate_bps: [null, 800_000, 900_000], budget_bps: [null, 700_000, null], slots: [
    { mid: "3", bitrate_bps: [0, 350_000, 140_000], states: [
      { from_ms: 1500, state: slot("bandwidth", 360) }, { from_ms: 2500, state: slot("bandwidth", 180) }] },
    { mid: "1", bitrate_bps: [30_000, 30_000, 30_000], states: [
      { from_ms: 0, state: { mid: "1", participant: "p1", publication: "a1", bitrate_bps: 30_000, reason: "optimal" } }] },
  ] };
  const samples = samplesOf(past, new Map([["p1", "Ana"]]));
  assert.deepEqual(samples.map(({ at, estimate, budget }) => [at, estimate, budget]),
    [[1000, undefined, undefined], [2000, 800_000, 700_000], [3000, 900_000, undefined]]);
  assert.deepEqual(samples.map(({ slots }) => [...slots.values()].map(({ label, height, bps }) => [label, height, bps])),
    [[], [["Ana", 360, 350_000]], [["Ana", 180, 140_000]]], "sound is left out");
  const watch = new Watch();
  assert.equal(watch.isNew("garden"), true);
  watch.recall("garden", [past, { ...past, id: "gone" }]);
  watch.note(4000, [room([slot("bandwidth", 360)])]);
  assert.deepEqual(watch.samplesOf("garden/p2").map(({ at }) => at), [1000, 2000, 3000, 4000]);
  assert.deepEqual(watch.samplesOf("garden/gone"), [], "whoever has left is forgotten");
  assert.equal(watch.isNew("garden"), false);
});
