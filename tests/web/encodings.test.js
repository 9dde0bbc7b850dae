// What the room's demand does to a sender's encodings: its limits and ours, whichever is lower.

import assert from "node:assert/strict";
import { test } from "node:test";
import { CAMERA, SCREEN, layered, obey } from "../../crates/server/web/sdk/encodings.js";

/** As a browser keeps them after the first offer. @param {readonly import("../../crates/server/web/sdk/encodings.js").Ladder[]} ladder */
function fresh(ladder) {
  return ladder.map((encoding) => ({ ...encoding, active: true }));
}

test("a demand switches encodings, lowers limits and never raises them", () => {
  /** @type {[string, Parameters<typeof obey>[1], readonly import("../../crates/server/web/sdk/encodings.js").Ladder[], (boolean | number | undefined)[][], boolean][]} */
  const cases = [
    ["all as it is", [{ rid: "q", active: true }, { rid: "h", active: true }, { rid: "f", active: true }], CAMERA,
      [[true, 200_000, undefined], [true, 700_000, undefined], [true, 2_000_000, undefined]], false],
    ["the top is unseen", [{ rid: "f", active: false }], CAMERA,
      [[true, 200_000, undefined], [true, 700_000, undefined], [false, 2_000_000, undefined]], true],
    ["less is of use", [{ rid: "f", active: true, max_bitrate_bps: 900_000, max_fps: 15 }], CAMERA,
      [[true, 200_000, undefined], [true, 700_000, undefined], [true, 900_000, 15]], true],
    ["more is not taken", [{ rid: "q", active: true, max_bitrate_bps: 5_000_000, max_fps: 60 }], CAMERA,
      [[true, 200_000, 60], [true, 700_000, undefined], [true, 2_000_000, undefined]], true],
    ["a screen keeps its own frame rate", [{ rid: "f", active: true, max_fps: 30 }], SCREEN,
      [[true, 600_000, 15], [true, 2_500_000, 15]], false],
    ["a name of nobody", [{ rid: "x", active: false }], CAMERA,
      [[true, 200_000, undefined], [true, 700_000, undefined], [true, 2_000_000, undefined]], false],
  ];
  for (const [why, wanted, ladder, expected, changed] of cases) {
    const encodings = fresh(ladder);
    assert.equal(obey(encodings, wanted, ladder), changed, why);
    assert.deepEqual(encodings.map(({ active, maxBitrate, maxFramerate }) => [active, maxBitrate, maxFramerate]), expected, why);
  }
});

test("limits that are lifted are gone, and saying the same again changes nothing", () => {
  const encodings = fresh(CAMERA);
  assert.equal(obey(encodings, [{ rid: "f", active: false, max_fps: 10 }], CAMERA), true);
  assert.equal(obey(encodings, [{ rid: "f", active: false, max_fps: 10 }], CAMERA), false);
  assert.equal(obey(encodings, [{ rid: "f", active: true }], CAMERA), true);
  assert.deepEqual(encodings, fresh(CAMERA));
  assert.equal("maxFramerate" in (encodings[2] ?? {}), false, "a browser reads undefined as a value of the wrong type");
});

test("a publication without simulcast has one encoding without a name", () => {
  const encodings = [{ active: true }];
  assert.equal(obey(encodings, [{ active: false, max_bitrate_bps: 100_000 }], []), true);
  assert.deepEqual(encodings, [{ active: false, maxBitrate: 100_000 }]);
});

test("layers are several encodings or one, and each codec is told what it needs to know", () => {
  assert.deepEqual(layered(CAMERA, "vp8", false), CAMERA, "several encodings");
  assert.deepEqual(layered([], "vp9", true), [], "sound has none either");
  const simulcast = layered(CAMERA, "av1", false);
  assert.deepEqual(simulcast.map(({ rid, scalabilityMode }) => [rid, scalabilityMode]), [["q", "L1T3"], ["h", "L1T3"], ["f", "L1T3"]]);
  const svc = layered(SCREEN, "vp9", true);
  assert.deepEqual(svc, [{ scalabilityMode: "L2T3_KEY", maxBitrate: 3_100_000, maxFramerate: 15 }]);
  const alone = [{ ...svc[0], active: true }];
  const plain = layered(SCREEN, "vp8", true);
  assert.equal(obey(alone, [{ active: true }], plain), true, "another codec, without spatial layers");
  assert.deepEqual(alone, [{ scalabilityMode: "L1T3", maxBitrate: 3_100_000, maxFramerate: 15, active: true }]);
  const kept = svc.map((encoding) => ({ ...encoding, active: true }));
  assert.equal(obey(kept, [{ active: false, max_fps: 30 }], svc), true);
  assert.deepEqual(kept, [{ scalabilityMode: "L2T3_KEY", maxBitrate: 3_100_000, maxFramerate: 15, active: false }]);
});
