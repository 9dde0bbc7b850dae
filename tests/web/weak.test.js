// Whose uplink is weak, and who is told of it when.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Weak } from "../../crates/server/web/app/weak.js";

test("a link that stays weak is told once to everybody, to those who come, and when it is over", () => {
  const weak = new Weak();
  const said = { data: { weak: true } };
  /** @type {[number, boolean, string[], object[], string][]} */
  const story = [
    [0, true, ["p2"], [], "it may pass"],
    [9_000, true, ["p2"], [], "not yet"],
    [10_000, true, ["p2"], [said], "it stays"],
    [11_000, true, ["p2"], [], "known"],
    [12_000, true, ["p2", "p3"], [{ ...said, to: "p3" }], "somebody came"],
    [13_000, true, ["p3"], [], "somebody left"],
    [14_000, true, ["p2", "p3"], [{ ...said, to: "p2" }], "and came back"],
    [15_000, false, ["p2", "p3"], [{ data: { weak: false } }], "it is over"],
    [16_000, false, ["p2", "p4"], [], "nothing to tell"],
  ];
  for (const [now, limited, others, expected, why] of story) assert.deepEqual(weak.note(limited, now, others), expected, why);
});

test("others are believed about themselves, and nonsense is not", () => {
  const weak = new Weak();
  for (const data of [null, "weak", [], {}, { chat: "weak" }, { weak: "yes" }, { weak: 1 }]) weak.heard("p2", data);
  assert.equal(weak.has("p2"), false);
  weak.heard("p2", { weak: true });
  assert.deepEqual(["p2", "p3"].map((id) => weak.has(id)), [true, false]);
  weak.heard("p2", { weak: false });
  assert.equal(weak.has("p2"), false);
});
