// The `view` message: sizes in physical pixels as they are drawn, wishes as ceilings, hidden as zero.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ceilingOf, composeView, drawnSize, throttle } from "../../crates/server/web/sdk/view.js";

/** @import { Tile } from "../../crates/server/web/sdk/view.js" */

const LADDER = [[320, 180], [640, 360], [1280, 720]].map(([width = 0, height = 0]) => ({ width, height, fps: 30, active: true }));
/** @type {Tile} */
const TILE = { width: 320, height: 180, visible: true, wish: "auto", priority: 1, fit: "cover", aspect: 16 / 9, encodings: LADDER };
const PAGE = { pixelRatio: 1, pageHidden: false, vacant: { width: 160, height: 90 } };

test("a picture is drawn as large as its fit makes it", () => {
  /** @type {[[number, number], "cover" | "contain", number, number, [number, number], string][]} */
  const cases = [
    [[320, 180], "cover", 16 / 9, 1, [320, 180], "same shape"],
    [[320, 180], "cover", 16 / 9, 3, [960, 540], "physical pixels"],
    [[180, 180], "cover", 16 / 9, 1, [320, 180], "the sides are cut off and still scaled"],
    [[180, 180], "contain", 16 / 9, 1, [180, 101], "bars above and below"],
    [[320, 180], "contain", 9 / 16, 1, [101, 180], "a portrait with bars at its sides"],
    [[320, 180], "cover", 9 / 16, 1, [320, 569], "a portrait that fills a wide tile"],
  ];
  for (const [[width, height], fit, aspect, ratio, [w, h], why] of cases) {
    assert.deepEqual(drawnSize({ width, height, fit, aspect }, ratio), { width: w, height: h }, why);
  }
});

test("a wish is a ceiling on the ladder that the sender really has", () => {
  assert.deepEqual(["auto", "high", "medium", "low"].map((wish) => ceilingOf(/** @type {any} */ (wish), LADDER)),
    [undefined, 720, 360, 180]);
  assert.equal(ceilingOf("medium", LADDER.slice(0, 2)), 180, "between two there is no middle: the smaller saves more");
  assert.equal(ceilingOf("low", [...LADDER].reverse()), 180, "in whatever order they are listed");
  assert.equal(ceilingOf("low", [{ width: 360, height: 640, fps: 30, active: true }]), 360, "by the shorter side");
  assert.equal(ceilingOf("medium", []), 360, "the usual ladder before anything is known");
});

test("a view lists every video slot", () => {
  const tiles = new Map([["3", TILE], ["4", { ...TILE, wish: /** @type {const} */ ("low"), priority: /** @type {const} */ (3), pinned: "v7" }]]);
  assert.deepEqual(composeView(["3", "4", "5"], tiles, { ...PAGE, pixelRatio: 2 }), {
    type: "view",
    slots: [
      { mid: "3", want: "auto", width: 640, height: 360, priority: 1 },
      { mid: "4", want: { publication: "v7" }, width: 640, height: 360, priority: 3, max_height: 180 },
      { mid: "5", want: "auto", width: 320, height: 180 },
    ],
  });
});

test("what cannot be seen has no size", () => {
  const hidden = new Map([["3", { ...TILE, visible: false }], ["4", { ...TILE, width: 0 }]]);
  for (const slot of composeView(["3", "4"], hidden, PAGE).slots) assert.deepEqual([slot.width, slot.height], [0, 0]);
  const away = composeView(["3", "9"], new Map([["3", TILE]]), { ...PAGE, pageHidden: true });
  for (const slot of away.slots) assert.deepEqual([slot.width, slot.height], [0, 0]);
});

test("changes are gathered, and the last one always goes out", () => {
  let now = 0;
  /** @type {{ at: number, action: () => void }[]} */
  const waiting = [];
  const clock = { now: () => now, schedule: (/** @type {() => void} */ action, /** @type {number} */ delay) => waiting.push({ at: now + delay, action }) };
  /** @type {number[]} */
  const sent = [];
  const change = throttle(() => sent.push(now), 250, clock);
  // A window dragged for a second, 100 changes.
  for (now = 0; now < 1000; now += 10) {
    while (waiting[0] && waiting[0].at <= now) waiting.shift()?.action();
    change();
  }
  now = 1250;
  while (waiting[0] && waiting[0].at <= now) waiting.shift()?.action();
  assert.deepEqual(sent, [0, 250, 500, 750, 1250]);
});
