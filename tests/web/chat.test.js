// The chat as a value: what counts as text, what is new, and that it never grows without end.

import assert from "node:assert/strict";
import { test } from "node:test";
import { LONGEST, emptyChat, fromData, read, toData, withEntry } from "../../crates/server/web/app/chat.js";

const ENTRY = { from: "Ana", text: "hi", at: 1, own: false, private: false };

test("only text of ours is text", () => {
  /** @type {[unknown, string | undefined, string][]} */
  const cases = [
    [{ chat: "hello" }, "hello", "a text"],
    [{ chat: "  hello \n" }, "hello", "without what is around it"],
    [{ chat: "<b>&" }, "<b>&", "markup is text like any other"],
    [{ chat: "   " }, undefined, "nothing"],
    [{ chat: 7 }, undefined, "a number"],
    [{ other: "x" }, undefined, "another page's data"],
    ["hello", undefined, "no object"],
    [null, undefined, "null"],
    [undefined, undefined, "no data"],
    [{ chat: "😀".repeat(LONGEST + 5) }, "😀".repeat(LONGEST), "cut between characters"],
  ];
  for (const [data, expected, why] of cases) assert.equal(fromData(data), expected, why);
  assert.deepEqual(toData(" hi "), { chat: "hi" });
  assert.equal(toData(" "), undefined);
});

test("what came while it was closed is unread, one's own never is", () => {
  let chat = withEntry(emptyChat(), ENTRY, false);
  chat = withEntry(chat, { ...ENTRY, own: true }, false);
  assert.equal(chat.unread, 1);
  assert.equal(withEntry(chat, ENTRY, true).unread, 1);
  assert.equal(read(chat).unread, 0);
  assert.equal(read(chat).entries.length, 2);
});

test("old entries are forgotten", () => {
  let chat = emptyChat();
  for (let at = 0; at < 1000; at++) chat = withEntry(chat, { ...ENTRY, at }, true);
  assert.equal(chat.entries.length, 300);
  assert.equal(chat.entries.at(-1)?.at, 999);
});
