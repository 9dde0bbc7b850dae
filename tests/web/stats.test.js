// Figures out of getStats: rates between two looks, reports, and what browsers leave out.

import assert from "node:assert/strict";
import { test } from "node:test";
import { figures, reportBetween } from "../../crates/server/web/sdk/stats.js";

/** @param {number} seconds @param {Record<string, unknown>} [part] */
function look(seconds, part = {}) {
  return [
    { id: "C", type: "codec", mimeType: "video/VP8", timestamp: seconds * 1000 },
    { id: "I", type: "inbound-rtp", kind: "video", mid: "5", codecId: "C", timestamp: seconds * 1000, frameWidth: 640, frameHeight: 360,
      framesDecoded: 30 * seconds, framesDropped: 2 * seconds, totalDecodeTime: 0.05 * seconds, freezeCount: 0,
      bytesReceived: 60_000 * seconds, headerBytesReceived: 2_500 * seconds, retransmittedBytesReceived: 1_250 * seconds, ...part },
    { id: "O1", type: "outbound-rtp", kind: "video", rid: "f", timestamp: seconds * 1000, frameWidth: 1280, frameHeight: 720,
      framesPerSecond: 30, bytesSent: 140_000 * seconds, active: true },
    { id: "O0", type: "outbound-rtp", kind: "video", rid: "q", timestamp: seconds * 1000, frameWidth: 320, frameHeight: 180,
      framesPerSecond: 30, bytesSent: 19_000 * seconds, active: true },
    { id: "P", type: "candidate-pair", nominated: true, state: "succeeded", currentRoundTripTime: 0.0214, timestamp: seconds * 1000 },
  ];
}

test("rates are differences over the browser's own time", () => {
  const first = figures(look(2), new Map());
  assert.equal(first.received.get("5")?.fps, 0, "one look has no rate");
  const second = figures(look(4), new Map(), first);
  const slot = second.received.get("5");
  assert.deepEqual({ width: slot?.width, height: slot?.height, fps: slot?.fps, kbps: slot?.kbps, codec: slot?.codec },
    { width: 640, height: 360, fps: 30, kbps: 490, codec: "VP8" }, "repeated bytes are not counted twice");
  assert.deepEqual(second.sent.map(({ rid, kbps }) => [rid, kbps]), [["q", 152], ["f", 1120]], "smallest first");
  assert.equal(second.roundTripMs, 21);
});

test("a browser without mid is understood by track", () => {
  const report = look(1, { mid: undefined, trackIdentifier: "t-1" });
  assert.deepEqual([...figures(report, new Map([["t-1", "7"]])).received.keys()], ["7"]);
  assert.deepEqual([...figures(report, new Map()).received.keys()], [], "and left out when the track is not ours");
});

test("a report has what happened since the last one", () => {
  const before = figures(look(2), new Map());
  assert.deepEqual(reportBetween(before, figures(look(4, { freezeCount: 1 }), new Map(), before)), {
    type: "report", interval_ms: 2000,
    slots: [{ mid: "5", frames_decoded: 60, frames_dropped: 4, decode_time_ms: 100, freezes: 1 }],
  });
  assert.deepEqual(reportBetween(before, before).slots, [], "a slot that stood still is not listed");
  const anew = figures(look(4, { framesDecoded: 10, framesDropped: 0, totalDecodeTime: 0.02 }), new Map(), before);
  assert.deepEqual(reportBetween(before, anew).slots[0],
    { mid: "5", frames_decoded: 10, frames_dropped: 0, decode_time_ms: 20, freezes: 0 }, "counters that started anew");
});
