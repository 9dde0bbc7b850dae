// The limiter's scale: from a slow phone to no limit, and back to the same place.

import assert from "node:assert/strict";
import { test } from "node:test";
import { PRESETS, STEPS, positionOf, rateAt } from "../../crates/server/web/app/limits.js";

test("the slider rises from 100 kbit/s to no limit, in round numbers", () => {
  assert.equal(rateAt(0), 100_000);
  assert.equal(rateAt(STEPS), undefined);
  for (let position = 1; position < STEPS; position++) {
    const [before, rate] = [rateAt(position - 1) ?? Infinity, rateAt(position) ?? 0];
    assert.ok(rate > before, `${position}: ${rate} after ${before}`);
    assert.ok(String(rate).replace(/0+$/, "").length <= 2, `${rate} has two digits`);
  }
});

test("a rate's position leads back to about that rate", () => {
  for (const { bps } of PRESETS) {
    const again = rateAt(positionOf(bps));
    if (bps === undefined) assert.equal(again, undefined);
    else assert.ok(Math.abs((again ?? 0) - bps) < bps * 0.1, `${bps}: ${again}`);
  }
  assert.equal(positionOf(1), 0, "below the scale is its end");
});
