// Names of rooms and people, as they come from addresses and keyboards.

import assert from "node:assert/strict";
import { test } from "node:test";
import { initials, isRoomName, randomRoom, roomInPath, toParticipantName, toRoomName } from "../../crates/server/web/app/names.js";

test("random rooms are legal and readable", () => {
  assert.equal(randomRoom(new Uint32Array([0, 0, 0])), "amber-arch-0");
  assert.equal(randomRoom(new Uint32Array([31, 33, 2 ** 20 - 1])), "young-bay-mh33");
  for (let round = 0; round < 100; round++) assert.ok(isRoomName(randomRoom()));
});

test("the path names the room", () => {
  /** @type {[string, string | undefined][]} */
  const cases = [["/r/standup", "standup"], ["/r/standup/", "standup"], ["/", undefined], ["/r/", undefined],
    ["/r/a b", undefined], ["/r/a%20b", undefined], ["/r/a/b", undefined], [`/r/${"a".repeat(65)}`, undefined]];
  for (const [path, room] of cases) assert.equal(roomInPath(path), room, path);
});

test("what people type becomes a room's name", () => {
  /** @type {[string, string][]} */
  const cases = [["Monday  stand-up", "monday-stand-up"], ["Café Zürich", "cafe-zurich"], ["Team_7.x~", "Team_7.x~"],
    ["  ", ""], ["日本", ""], ["x".repeat(80), "x".repeat(64)]];
  for (const [text, room] of cases) assert.equal(toRoomName(text), room, text);
});

test("names of people lose control characters and nothing else", () => {
  assert.equal(toParticipantName("  Ana\u0007 Ruíz "), "Ana Ruíz");
  assert.equal([...toParticipantName("🙂".repeat(70))].length, 64, "counted as the server counts, by character");
});

test("initials are letters", () => {
  /** @type {[string, string][]} */
  const cases = [["Ana Ruiz", "AR"], ["ana", "A"], ["Ana María Ruiz", "AR"], ["  ", ""], ["🙂 Bob", "B"], ["émile zola", "ÉZ"], ["-x-", "X"]];
  for (const [name, expected] of cases) assert.equal(initials(name), expected, name);
});
