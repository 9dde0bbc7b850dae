// Where tiles go: nothing overlaps, nothing leaves the area, and the space is used.

import assert from "node:assert/strict";
import { test } from "node:test";
import { grid, stage } from "../../crates/server/web/app/layout.js";

const GAP = 8;
const AREAS = [
  { width: 1176, height: 640 }, { width: 374, height: 660 }, { width: 720, height: 374 }, { width: 1900, height: 940 },
  { width: 320, height: 320 }, { width: 200, height: 120 },
];

for (const [name, arrange] of /** @type {const} */ ([["grid", grid], ["stage", stage]])) {
  test(`${name}: tiles lie inside the area and beside each other`, () => {
    for (const area of AREAS) {
      for (let count = 1; count <= 49; count++) {
        const { tiles, hidden } = arrange(count, area, GAP);
        const where = `${count} tiles in ${area.width}x${area.height}`;
        assert.equal(tiles.length + hidden, count, where);
        assert.ok(tiles.length > 0, where);
        tiles.forEach((a, index) => {
          assert.ok(a.width > 0 && a.height > 0, where);
          assert.ok(a.x >= 0 && a.y >= 0 && a.x + a.width <= area.width && a.y + a.height <= area.height, `${where}: ${JSON.stringify(a)}`);
          for (const b of tiles.slice(index + 1)) {
            const apart = a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y;
            assert.ok(apart, `${where}: ${JSON.stringify(a)} and ${JSON.stringify(b)}`);
          }
        });
      }
    }
  });
}

test("a grid chooses rows and columns by the shape of the area", () => {
  const wide = { width: 1200, height: 675 };
  /** @param {{ tiles: { y: number }[] }} layout */
  const rows = ({ tiles }) => new Set(tiles.map(({ y }) => y)).size;
  assert.equal(rows(grid(1, wide, GAP)), 1);
  assert.equal(rows(grid(4, wide, GAP)), 2);
  assert.equal(rows(grid(9, wide, GAP)), 3);
  assert.equal(rows(grid(2, { width: 374, height: 660 }, GAP)), 2, "one above the other on a phone");
  const [only] = grid(1, wide, GAP).tiles;
  assert.deepEqual(only, { x: 0, y: 0, width: 1200, height: 675 }, "16:9 fills 16:9");
});

test("the stage has most of the area, and the strip is at its end", () => {
  const { tiles: [main, thumb] } = stage(4, { width: 1176, height: 640 }, GAP);
  assert.ok(main && thumb && main.width * main.height > 0.6 * 1176 * 640);
  assert.ok(thumb.x > main.x + main.width, "beside it in landscape");
  const { tiles: [tall, below] } = stage(4, { width: 374, height: 660 }, GAP);
  assert.ok(tall && below && tall.height > 0.6 * 660 && below.y >= tall.y + tall.height, "below it in portrait");
});
