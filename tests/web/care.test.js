// Energy and heat: what asks for care, when, and for how long.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Strain, careful, powerState, watchPressure } from "../../crates/server/web/sdk/care.js";

test("batteries", () => {
  assert.equal(powerState({ charging: true, level: 0.01 }), "normal");
  assert.equal(powerState({ charging: false, level: 0.5 }), "normal");
  assert.equal(powerState({ charging: false, level: 0.2 }), "saver");
  assert.equal(powerState({ charging: false, level: 0.07 }), "critical");
});

test("the more careful wins, and silence says nothing", () => {
  assert.equal(careful("normal", "saver"), "saver");
  assert.equal(careful("critical", "saver"), "critical");
  assert.equal(careful(undefined, "normal"), "normal");
  assert.equal(careful(undefined, undefined), undefined);
});

test("pressure counts when it lasts, and is over when it has been over for long", () => {
  const strain = new Strain();
  /** @type {[number, import("../../crates/server/web/sdk/care.js").Pressure, boolean, string][]} */
  const story = [
    [0, "fair", false, "nothing"],
    [1_000, "critical", false, "a peak"],
    [5_000, "nominal", false, "which passes"],
    [6_000, "serious", false, "another"],
    [12_000, "critical", false, "goes on"],
    [16_000, "serious", true, "and lasts"],
    [17_000, "nominal", true, "a pause"],
    [20_000, "serious", true, "is none"],
    [21_000, "fair", true, "cooling"],
    [50_000, "fair", true, "still"],
    [51_000, "nominal", false, "cool"],
  ];
  for (const [at, pressure, strained, why] of story) {
    strain.note(pressure, at);
    assert.equal(strain.strained, strained, `${why}, at ${at}`);
  }
});

test("a browser without the interface, and one that refuses it, are left alone", async () => {
  const never = () => assert.fail("nothing is known");
  watchPressure(never, undefined)();
  let disconnected = false;
  class Refusing {
    async observe() { throw new Error("NotAllowedError"); }
    disconnect() { disconnected = true; }
  }
  const stop = watchPressure(never, Refusing);
  await new Promise((done) => setImmediate(done));
  stop();
  assert.equal(disconnected, true);
});
