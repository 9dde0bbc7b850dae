// The time axis: samples that are kept, lanes, stacks, bands, and scales that people can read.

import assert from "node:assert/strict";
import { test } from "node:test";
import { bands, lanes, largest, moments, sampleAt, scale, stacked } from "../../crates/server/web/app/timeline.js";
import { History, sample } from "../../crates/server/web/sdk/history.js";
import { emptyRoom } from "../../crates/server/web/sdk/room.js";

/** @import { Sample, Shown } from "../../crates/server/web/sdk/history.js" */

/** @param {string} label @param {number} bps @param {Partial<Shown>} [part] @returns {Shown} */
function shown(label, bps, part = {}) {
  return { label, rid: "h", height: 360, fps: 30, bps, reason: "bandwidth", ...part };
}

/** @param {number} at @param {Shown[]} slots @param {Partial<Sample>} [part] @returns {Sample} */
function moment(at, slots, part = {}) {
  return { at, estimate: undefined, budget: undefined, slots: new Map(slots.map((slot, index) => [String(index), slot])), ...part };
}

test("what is older than the span is forgotten, and a clock that went back begins anew", () => {
  const history = new History(10_000);
  for (let at = 0; at <= 60_000; at += 1000) history.add(moment(at, []));
  assert.deepEqual([history.samples[0]?.at, history.samples.length], [50_000, 11]);
  history.add(moment(5_000, []));
  assert.deepEqual(history.samples.map(({ at }) => at), [5_000]);
});

test("a sample has the pictures that are in slots, by name, and the freezes since the last one", () => {
  const camera = { id: "v", kind: /** @type {const} */ ("video"), source: /** @type {const} */ ("camera"), muted: false };
  const participants = new Map([["a", { id: "a", name: "Ana", publications: [camera, { ...camera, id: "s", source: /** @type {const} */ ("screen") }] }]]);
  /** @type {Omit<import("../../crates/server/web/sdk/messages.js").SlotState, "mid" | "publication">} */
  const state = { participant: "a", rid: "f", width: 720, height: 1280, bitrate_bps: 9, reason: "optimal" };
  const slots = new Map([
    ["3", { ...state, mid: "3", publication: "v" }], ["4", { ...state, mid: "4", publication: "s" }],
    ["5", { ...state, mid: "5", publication: "gone" }], ["6", { mid: "6", bitrate_bps: 0, reason: /** @type {const} */ ("hidden") }],
  ]);
  /** @param {number} count */
  const figures = (count) => /** @type {any} */ ({ received: new Map([["3", { fps: 29.7, kbps: 512, freezes: count, packetsLost: 9 - count, keyframes: 1 }]]) });
  const taken = sample(7, { ...emptyRoom(), participants, slots, estimate: 5 }, figures(3), figures(1));
  assert.deepEqual([...taken.slots], [
    ["3", { label: "Ana", rid: "f", height: 720, fps: 30, bps: 512_000, reason: "optimal", freezes: 2 }],
    ["4", { label: "Ana: screen", rid: "f", height: 720, fps: 0, bps: 9, reason: "optimal" }],
  ]);
  assert.deepEqual([taken.at, taken.estimate, taken.budget], [7, 5, undefined]);
  assert.equal(sample(8, { ...emptyRoom(), participants, slots }, figures(3)).slots.get("3")?.freezes, undefined, "a first look has no past");
});

test("lanes follow people in the order of their appearance, the busiest when there are too many", () => {
  const samples = [moment(0, [shown("a", 100)]), moment(1, [shown("b", 900), shown("a", 100)]), moment(2, [shown("c", 50)])];
  assert.deepEqual(lanes(samples, 8), ["a", "b", "c"]);
  assert.deepEqual(lanes(samples, 2), ["a", "b"]);
  assert.deepEqual(stacked(samples, ["a", "b"]), [[100, 100], [100, 1000], [0, 0]]);
});

test("a band lasts while encoding, size and reason do", () => {
  const samples = [moment(0, [shown("a", 1)]), moment(1, [shown("a", 2)]), moment(2, [shown("a", 2, { rid: "f", height: 720 })]),
    moment(3, []), moment(4, [shown("a", 2, { freezes: 1 })]), moment(5, [shown("a", 2, { reason: "dwell" })])];
  assert.deepEqual(bands(samples, "a").map(({ from, to, shown: { rid, reason } }) => [from, to, rid, reason]), [
    [0, 2, "h", "bandwidth"], [2, 3, "f", "bandwidth"], [4, 5, "h", "bandwidth"], [5, 5, "h", "dwell"],
  ]);
  assert.deepEqual(moments(samples, "a", "freezes"), [4]);
  assert.deepEqual(moments(samples, "a", "lost"), []);
});

test("scales are round and hold what they must", () => {
  for (const [rate, top] of [[0, 100_000], [90_000, 100_000], [410_000, 600_000], [1_000_000, 1_000_000], [1_200_000, 1_500_000], [7_300_000, 8_000_000]]) {
    const found = scale(rate ?? 0);
    assert.equal(found.top, top, `${rate}`);
    assert.ok(found.steps.length >= 3 && found.steps.length <= 6, `${rate}: ${found.steps}`);
    assert.equal(found.steps.at(-1), found.top);
  }
});

test("an estimate far above all that is sent does not flatten the rest", () => {
  const samples = [moment(0, [shown("a", 500_000)], { estimate: 30_000_000 })];
  assert.equal(largest(samples, ["a"]), 1_500_000);
  assert.equal(largest([moment(0, [shown("a", 500_000)], { estimate: 900_000 })], ["a"]), 900_000);
  assert.equal(largest([], []), 0);
});

test("a pointer reads the last sample before it", () => {
  const samples = [moment(10, []), moment(20, [])];
  assert.deepEqual([5, 10, 19, 20, 99].map((at) => sampleAt(samples, at)?.at), [10, 10, 10, 20, 20]);
  assert.equal(sampleAt([], 1), undefined);
});
