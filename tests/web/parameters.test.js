// The page's address: what it may ask for, and that nonsense in it is left out.

import assert from "node:assert/strict";
import { test } from "node:test";
import { readParameters } from "../../crates/server/web/app/parameters.js";

test("everything that can be asked for", () => {
  assert.deepEqual(readParameters("?name=Ana&auto=1&class=mobile&video=1280x720&audio=off&fps=15&slots=9&view=stage&token=x.y&codec=av1&layers=svc&direct=1"), {
    name: "Ana", auto: true, deviceClass: "mobile", video: { width: 1280, height: 720 }, audio: "off", fps: 15, slots: 9,
    view: "stage", token: "x.y", codec: "av1", layers: "svc", direct: true,
  });
  assert.equal(readParameters("?video=off").video, "off");
});

test("nonsense is left out", () => {
  for (const query of ["", "?name=", "?auto=yes", "?class=fridge", "?video=big", "?video=1x1", "?fps=0", "?fps=-3", "?slots=1000",
    "?slots=2.5", "?view=upside-down", "?codec=VP9", "?codec=h265", "?layers=many", "?direct=yes"]) {
    assert.deepEqual(readParameters(query), { auto: false }, query);
  }
});

test("a token in the fragment goes before one in the query", () => {
  assert.equal(readParameters("?token=a", "#token=b").token, "b");
  assert.equal(readParameters("", "#token=b").token, "b");
  assert.equal(readParameters("?token=a", "").token, "a");
});
