// What has been so for a while.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Lasting } from "../../crates/server/web/app/lasting.js";

test("a state counts when it has lasted, and begins anew when it ended", () => {
  const lasting = new Lasting(5);
  /** @type {[number, boolean, boolean][]} */
  const story = [[0, false, false], [1, true, false], [5, true, false], [6, true, true], [9, true, true], [10, false, false], [11, true, false], [16, true, true]];
  for (const [now, is, expected] of story) assert.equal(lasting.note(is, now), expected, `at ${now}`);
});
