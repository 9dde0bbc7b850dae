// QR codes, square by square as an independent encoder (the npm package `qrcode` 1.5) draws them.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { qrCode } from "../../crates/server/web/app/qr.js";

/** @param {string} text */
const drawn = (text) => (qrCode(text) ?? []).map((row) => row.map((dark) => (dark ? "#" : ".")).join(""));

test("a small one", () => {
  assert.deepEqual(drawn("terrace"), [
    "#######.....#.#######", "#.....#..#.##.#.....#", "#.###.#.#.#...#.###.#", "#.###.#.#.###.#.###.#", "#.###.#.###.#.#.###.#",
    "#.....#.##.#..#.....#", "#######.#.#.#.#######", "........###..........", "#.#####..###..#####..", "###.##...#######.##.#",
    "#.#.#.##.##.#.##.###.", "#..###....#####..##..", ".###.####.#.#....#.#.", "........###.#..##.###", "#######..###.#.....#.",
    "#.....#.###.....#####", "#.###.#.#.##.#.#.#.#.", "#.###.#.##.######.#..", "#.###.#.#.#.#.#......", "#.....#....####..##..",
    "#######.#...#..#...#.",
  ]);
});

test("every version", () => {
  const address = `https://example.org:8443/r/${"quiet-maple-7f3k".repeat(20)}`;
  /** @type {[number, number, string][]} length of the text, squares on a side, digest */
  const codes = [
    [1, 21, "576aa0d4f321153f"], [26, 25, "0735fc4e6e76a78e"], [62, 33, "26a5ba67d5b1d0f3"], [107, 45, "23634cf1d216a02f"],
    [122, 45, "cbc531a690d5ad0f"], [152, 49, "28e2cf76cb3a4d59"], [180, 53, "7ee8fdeb2ebd194f"], [213, 57, "0894669543245412"],
  ];
  for (const [length, side, digest] of codes) {
    const rows = drawn(address.slice(0, length));
    assert.equal(rows.length, side);
    assert.equal(createHash("sha256").update(rows.join("\n")).digest("hex").slice(0, 16), digest, `${length} bytes`);
  }
  assert.equal(qrCode(address.slice(0, 214)), undefined, "longer addresses are shown as text only");
});
