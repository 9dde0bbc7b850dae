// Every problem says what is wrong and what to do.

import assert from "node:assert/strict";
import { test } from "node:test";
import { connectionProblem, deviceProblem, deviceTrouble, endingWords } from "../../crates/server/web/sdk/problems.js";
import { chosen, preferred } from "../../crates/server/web/sdk/codecs.js";

test("what browsers throw has a name of ours", () => {
  /** @type {[string, boolean, string][]} */
  const cases = [["NotAllowedError", true, "denied"], ["NotFoundError", true, "missing"], ["OverconstrainedError", true, "missing"],
    ["NotReadableError", true, "busy"], ["TypeError", true, "failed"], ["toString", true, "failed"],
    ["NotAllowedError", false, "insecure"]];
  for (const [name, secure, code] of cases) assert.equal(deviceTrouble(name, secure), code, name);
});

test("every trouble with a device says what to do, and that joining without it works", () => {
  for (const code of /** @type {const} */ (["insecure", "denied", "missing", "busy", "failed"])) {
    assert.match(deviceProblem("audio", code).title, /microphone/);
    assert.match(deviceProblem("video", code).title, /camera/);
    for (const kind of /** @type {const} */ (["audio", "video"])) assert.match(deviceProblem(kind, code).advice, /join without it\.$/);
    assert.match(deviceProblem("both", code).title, /camera and microphone/i);
    assert.match(deviceProblem("both", code).advice, /join without them\.$/);
  }
});

test("connections", () => {
  const found = { secure: true, reachable: undefined, online: true, host: "example.org" };
  assert.equal(connectionProblem({ ...found, online: false }).code, "offline");
  assert.equal(connectionProblem({ ...found, reachable: true }).code, "socket");
  assert.equal(connectionProblem(found).code, "unreachable");
});

test("endings", () => {
  assert.match(endingWords("room_full", "x"), /full/);
  assert.equal(endingWords("new_code", "The server's own words."), "The server's own words.");
  assert.equal(endingWords("toString", ""), "The call ended.");
});

test("codecs that are offered", () => {
  /** @param {string} mimeType @param {string} [sdpFmtpLine] @returns {RTCRtpCodec} */
  const codec = (mimeType, sdpFmtpLine) => ({ mimeType, clockRate: 90_000, ...(sdpFmtpLine ? { sdpFmtpLine } : {}) });
  const known = [codec("video/AV1", "level-idx=5;profile=1;tier=0"), codec("video/AV1", "level-idx=5;profile=0;tier=0"),
    codec("video/VP9", "profile-id=2"), codec("video/VP9", "profile-id=0"), codec("video/H264", "packetization-mode=0;profile-level-id=42e01f"),
    codec("video/H264", "packetization-mode=1;profile-level-id=64001f"), codec("video/rtx"),
    codec("video/H264", "packetization-mode=1;profile-level-id=42e01f"), codec("video/VP8"), codec("video/red")];
  assert.deepEqual(preferred("video", known).map(({ mimeType, sdpFmtpLine }) => [mimeType, sdpFmtpLine]), [
    ["video/VP8", undefined], ["video/H264", "packetization-mode=1;profile-level-id=42e01f"], ["video/VP9", "profile-id=0"],
    ["video/AV1", "level-idx=5;profile=0;tier=0"], ["video/rtx", undefined]]);
  const names = (/** @type {import("../../crates/server/web/sdk/codecs.js").VideoCodec} */ codec, list = known) =>
    preferred("video", list, { codec }).map(({ mimeType }) => mimeType);
  assert.deepEqual(names("vp9"), ["video/VP9", "video/rtx"], "the one that is wanted, alone");
  assert.deepEqual(names("av1", known.slice(3)), ["video/VP8", "video/H264", "video/VP9", "video/rtx"], "not encoded here");
  /** @param {import("../../crates/server/web/sdk/peer.js").Encoder} [encoder] */
  const sound = (encoder) =>
    preferred("audio", [codec("audio/red"), codec("audio/G722"), codec("audio/opus")], encoder).map(({ mimeType }) => mimeType);
  assert.deepEqual(sound(), ["audio/opus", "audio/red"]);
  assert.deepEqual(sound({ redundancy: true }), ["audio/red", "audio/opus"]);
});

test("the codec that is sent is one's own wish, or serves the receivers better", () => {
  const all = ["VP8", "H264", "VP9", "AV1"];
  /** @type {[string, Parameters<typeof chosen>, ReturnType<typeof chosen>][]} */
  const cases = [
    ["no wish and any codec: the server's order", [undefined, undefined, all], undefined],
    ["a wish, and any codec", ["av1", null, all], "av1"],
    ["everybody decodes the wish", ["av1", ["VP8", "AV1"], all], "av1"],
    ["somebody does not", ["av1", ["H264", "VP8"], all], "vp8"],
    ["VP8 is what is sent without a wish", [undefined, ["VP8", "H264"], all], undefined],
    ["not even that", [undefined, ["VP9", "H264"], all], "h264"],
    ["nothing of it is encoded here", ["vp9", ["AV1"], ["VP8", "VP9"]], "vp9"],
    ["nothing is for anybody", ["vp9", [], all], "vp9"],
  ];
  for (const [why, given, expected] of cases) assert.equal(chosen(...given), expected, why);
});
