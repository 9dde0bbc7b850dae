// Sentences for the server's reasons: every reason has words, and figures come out in the units people know.

import assert from "node:assert/strict";
import { test } from "node:test";
import { REASONS, explain, gradeOf, rateWords, sizeWord, wordsFor } from "../../crates/server/web/sdk/reasons.js";

/** @param {Partial<import("../../crates/server/web/sdk/messages.js").SlotState>} part */
function slot(part) {
  return { mid: "3", width: 640, height: 360, fps: 30, bitrate_bps: 480_000, reason: /** @type {const} */ ("optimal"), ...part };
}

test("a sentence names the size, the constraint and what the next step takes", () => {
  const hd = { rid: "f", width: 1280, height: 720, fps: 30 };
  /** @type {[Parameters<typeof slot>[0], string][]} */
  const cases = [
    [{}, "360p because that is the best the sender has."],
    [{ reason: "bandwidth", next: { ...hd, missing_bps: 620_000 } },
      "360p because your link carries no more. 720p needs 620 kbit/s more."],
    [{ reason: "bandwidth", next: { ...hd, missing_bps: 1_250_000 } },
      "360p because your link carries no more. 720p needs 1.3 Mbit/s more."],
    [{ reason: "device_decode_budget", next: { ...hd, missing_pixels_per_second: 20_736_000 } },
      "360p because this device decodes no more at once. 720p needs 20.7 million pixels per second more."],
    [{ reason: "device_height", next: hd },
      "360p because this device shows no larger picture. 720p is more than this kind of device asks for."],
    [{ reason: "viewport", width: 320, height: 180, next: { ...hd, width: 640, height: 360 } },
      "180p because this tile shows no more. 360p comes when the tile grows."],
    [{ reason: "bandwidth", fps: 15, next: { ...hd, width: 640, height: 360, fps: 30, missing_bps: 90_000 } },
      "360p because your link carries no more. 360p at 30 frames per second needs 90 kbit/s more."],
    [{ reason: "publisher_off", width: 720, height: 1280 }, "720p because the sender sends nothing better now."],
    [{ reason: "hidden", width: undefined, height: undefined, rid: undefined }, "No picture because this tile is not visible."],
  ];
  for (const [part, expected] of cases) assert.equal(explain(/** @type {any} */ (slot(part))), expected);
  const narrow = /** @type {any} */ (slot({ reason: "bandwidth", next: { ...hd, missing_bps: 620_000 } }));
  assert.equal(explain(narrow, 1_100_000), "360p because your link carries 1.1 Mbit/s. 720p needs 620 kbit/s more.", "where it is known");
});

test("a reason of a newer server is still a sentence", () => {
  assert.equal(wordsFor("moon_phase"), REASONS.other);
  assert.equal(wordsFor("toString"), REASONS.other, "names of the language are not reasons");
  assert.match(explain(/** @type {any} */ (slot({ reason: /** @type {any} */ ("moon_phase") }))), /^360p for a reason/);
});

test("the colour says whether more is to be had", () => {
  assert.equal(gradeOf(slot({ reason: "viewport" })), "full");
  assert.equal(gradeOf(slot({ reason: "bandwidth" })), "limited");
  assert.equal(gradeOf(/** @type {any} */ ({ mid: "3", bitrate_bps: 0, reason: "bandwidth" })), "none", "nothing is sent");
  assert.equal(gradeOf(undefined), "none");
});

test("sizes are the shorter side, rates have the unit people know", () => {
  assert.equal(sizeWord({ width: 360, height: 640 }), "360p");
  assert.equal(sizeWord({ width: 0, height: 0 }), "no picture");
  /** @type {[number, string][]} */
  const rates = [[0, "0 kbit/s"], [149_600, "150 kbit/s"], [999_499, "999 kbit/s"], [999_500, "1.0 Mbit/s"],
    [1_149_000, "1.1 Mbit/s"], [12_400_000, "12 Mbit/s"]];
  for (const [bps, expected] of rates) assert.equal(rateWords(bps), expected);
});
