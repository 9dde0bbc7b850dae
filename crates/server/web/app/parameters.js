// What the page's address may ask for. For links, kiosks and tests; everything can also be chosen by hand.
//
//   /r/<room>?name=Ana      the name to join with
//     &auto=1               join without asking
//     &class=mobile         device class instead of the detected one: mobile, tablet, desktop, tv
//     &video=1280x720       camera picture to ask for; `off` joins without camera
//     &audio=off            joins without microphone
//     &fps=15               frames per second to ask the camera for
//     &slots=9              video slots to offer
//     &view=stage           the first view: grid or stage
//     &codec=vp9            what pictures are sent in: vp8, h264, vp9, av1
//     &layers=svc           of VP9 and AV1: simulcast, or svc for one stream with spatial layers
//     &direct=1             straight to the other one while there are two, who then see each other's addresses
//     &token=...            join token

/** @import { DeviceClass } from "../sdk/messages.js" */

/**
 * @typedef {object} Parameters
 * @property {string} [name]
 * @property {boolean} auto
 * @property {DeviceClass} [deviceClass]
 * @property {{ width: number, height: number } | "off"} [video]
 * @property {"off" | "red"} [audio]
 * @property {number} [fps]
 * @property {number} [slots]
 * @property {"grid" | "stage"} [view]
 * @property {"vp8" | "h264" | "vp9" | "av1"} [codec]
 * @property {"simulcast" | "svc"} [layers]
 * @property {boolean} [direct]
 * @property {string} [token]
 */

export const DEVICE_CLASSES = /** @type {const} */ (["mobile", "tablet", "desktop", "tv"]);
const CODECS = /** @type {const} */ (["vp8", "h264", "vp9", "av1"]);

/**
 * Reads a query. What it does not understand it leaves out: an address is something people edit.
 * A token may come in the fragment as well, which browsers send to nobody: `#token=...`.
 * @param {string} query
 * @param {string} fragment
 * @returns {Parameters}
 */
export function readParameters(query, fragment = "") {
  const given = new URLSearchParams(query);
  const size = /^(\d{2,4})x(\d{2,4})$/.exec(given.get("video") ?? "");
  /** @type {Parameters} */
  const parameters = { auto: given.get("auto") === "1" };
  const name = given.get("name");
  if (name) parameters.name = name;
  const deviceClass = DEVICE_CLASSES.find((known) => known === given.get("class"));
  if (deviceClass) parameters.deviceClass = deviceClass;
  if (size) parameters.video = { width: Number(size[1]), height: Number(size[2]) };
  if (given.get("video") === "off") parameters.video = "off";
  const audio = given.get("audio");
  if (audio === "off" || audio === "red") parameters.audio = audio;
  const fps = wholeNumber(given.get("fps"), 1, 60);
  if (fps !== undefined) parameters.fps = fps;
  const slots = wholeNumber(given.get("slots"), 1, 49);
  if (slots !== undefined) parameters.slots = slots;
  const view = given.get("view");
  if (view === "grid" || view === "stage") parameters.view = view;
  const codec = CODECS.find((known) => known === given.get("codec"));
  if (codec) parameters.codec = codec;
  const layers = given.get("layers");
  if (layers === "simulcast" || layers === "svc") parameters.layers = layers;
  if (given.get("direct") === "1") parameters.direct = true;
  const token = new URLSearchParams(fragment.slice(1)).get("token") ?? given.get("token");
  if (token) parameters.token = token;
  return parameters;
}

/**
 * @param {string | null} text
 * @param {number} least
 * @param {number} most
 */
function wholeNumber(text, least, most) {
  if (text === null || !/^\d{1,4}$/.test(text)) return undefined;
  const number = Number(text);
  return number >= least && number <= most ? number : undefined;
}
