// The entry of the library: everything a page of yours needs for a call. Served by every Terrace at /sdk/terrace.js, to
// pages of other hosts as well; whether those may join is the operator's decision (`allow_origins`).
//
//   import { join, show } from "/sdk/terrace.js";
//   const call = await join({ room: "standup", name: "Ana", camera: true, microphone: true });
//   show(call, document.getElementById("call"));

import { collect, detectClass, thisBrowser, watch } from "./capabilities.js";
import { openDevice } from "./devices.js";
import { PATH } from "./messages.js";
import { Session } from "./session.js";

export { DeviceError, canShareScreen, listDevices, openDevice, openScreen } from "./devices.js";
export { show } from "./gallery.js";
export { deviceProblem, endingWords } from "./problems.js";
export { explain, gradeOf, rateWords, sizeWord, wordsFor } from "./reasons.js";
export { Session } from "./session.js";
export { composeView } from "./view.js";

/** @import { DeviceClass } from "./messages.js" */

/**
 * @typedef {object} JoinOptions
 * @property {string} room
 * @property {string} name  what others see
 * @property {boolean | MediaStreamTrack} [camera]  true opens the user's, a track is sent as it is
 * @property {boolean | MediaStreamTrack} [microphone]
 * @property {string} [server]  origin of another Terrace than the one this file came from
 * @property {string} [token]  join token, where the server asks for one
 * @property {DeviceClass} [deviceClass]  instead of the detected one
 * @property {number} [videoSlots]  pictures at the same time, instead of what suits the device
 * @property {"vp8" | "h264" | "vp9" | "av1"} [codec]  what pictures are sent in, VP8 unless told otherwise
 * @property {"simulcast" | "svc"} [layers]  of VP9 and AV1: several encodings, or one with spatial layers
 * @property {boolean} [direct]  while there are two who both say so, media goes straight between their devices; each then
 *   sees the other's addresses
 */

/**
 * Joins a room. The session is under way when it is returned; `state` events tell how it goes, and whoever wants it over
 * calls `leave()`.
 * @param {JoinOptions} options
 * @returns {Promise<Session>}
 * @throws {import("./devices.js").DeviceError} when a camera or microphone that was asked for does not open
 */
export async function join({ room, name, camera, microphone, server, token, deviceClass, videoSlots, codec, layers, direct }) {
  const browser = thisBrowser();
  const device = deviceClass ?? detectClass(browser);
  /** @param {"audio" | "video"} kind @param {boolean | MediaStreamTrack | undefined} wish */
  const open = async (kind, wish) => (wish === true ? openDevice(kind, {}) : wish || null);
  // One after the other: browsers ask for both in turn, and some answer neither when asked for both at once.
  const tracks = { microphone: await open("audio", microphone), camera: await open("video", camera) };
  const capabilities = await collect(device, browser);
  const session = new Session({
    url: socketOf(server ?? import.meta.url),
    room,
    name,
    capabilities,
    tracks,
    ...(token === undefined ? {} : { token }),
    ...(videoSlots === undefined ? {} : { videoSlots }),
    encoder: { ...(codec === undefined ? {} : { codec }), ...(layers === undefined ? {} : { layers }) },
    ...(direct === undefined ? {} : { direct }),
  });
  const unwatch = watch(device, capabilities, (found) => session.setCapabilities(found));
  session.on("state", ({ phase }) => {
    if (phase !== "closed") return;
    unwatch();
    // What was opened here is let go of here; a page's own tracks are the page's.
    if (camera === true) tracks.camera?.stop();
    if (microphone === true) tracks.microphone?.stop();
  });
  // Whoever closes the page leaves at once instead of after a timeout.
  addEventListener("pagehide", () => session.leave(), { once: true });
  session.start();
  return session;
}

/** The signalling socket of the server that an address is of. @param {string} address */
export function socketOf(address) {
  const url = new URL(PATH, address);
  url.protocol = url.protocol.replace("http", "ws");
  return url.href;
}
