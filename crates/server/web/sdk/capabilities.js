// What this device can show, decode and afford, from what browsers tell. What they do not tell is left out: the server
// fills it in by device class.

import { careful, powerState, watchPressure } from "./care.js";

/** @import { PowerState } from "./care.js" */
/** @import { Capabilities, DeviceClass } from "./messages.js" */

/**
 * The parts of the browser that are asked, so that tests can answer instead.
 * @typedef {object} Browser
 * @property {any} navigator
 * @property {{ width: number, height: number }} screen
 * @property {number} pixelRatio
 * @property {(query: string) => boolean} matches  a media query
 * @property {() => string[]} videoCodecs  names that can be received
 */

/** Video slots offered by each class; the server's limit may be lower. */
export const VIDEO_SLOTS = /** @type {const} */ ({ mobile: 4, tablet: 9, desktop: 16, tv: 16, unknown: 4 });
export const AUDIO_SLOTS = 3;

/**
 * What the server takes a device of each class to show and decode unless it says less: shorter side in pixels, and pixels
 * per second. Only what lies below is reported, since more than its class is no reason to send a phone more.
 */
const USUAL = /** @type {const} */ ({
  mobile: { height: 360, pixels: 30_000_000 },
  tablet: { height: 720, pixels: 90_000_000 },
  desktop: { height: 1440, pixels: 250_000_000 },
  tv: { height: 2160, pixels: 500_000_000 },
  unknown: { height: 720, pixels: 90_000_000 },
});
/** What decoding in software may take of each core: two pictures of 1280x720 at 30 frames, about half a slow core. */
const PIXELS_PER_CORE = 2 * 1280 * 720 * 30;

/** @returns {Browser} */
export function thisBrowser() {
  return {
    navigator,
    screen,
    pixelRatio: devicePixelRatio,
    matches: (query) => matchMedia(query).matches,
    videoCodecs: () => {
      const codecs = RTCRtpReceiver.getCapabilities?.("video")?.codecs ?? [];
      return codecs.map((codec) => codec.mimeType.replace("video/", ""));
    },
  };
}

/**
 * Phone, tablet, desktop or television. The user can correct it, so a fair guess will do.
 * @param {Browser} browser
 * @returns {Exclude<DeviceClass, "unknown">}
 */
export function detectClass({ navigator, screen, matches }) {
  const agent = String(navigator.userAgent ?? "");
  if (/SMART-TV|SmartTV|Tizen.*TV|Web0S|AppleTV|GoogleTV|Android TV|BRAVIA|CrKey/i.test(agent)) return "tv";
  const shorterSide = Math.min(screen.width, screen.height);
  // An iPad names itself a Macintosh; no Macintosh has a touch screen.
  const isPad = /iPad/.test(agent) || (/Macintosh/.test(agent) && (navigator.maxTouchPoints ?? 0) > 1);
  if (isPad) return "tablet";
  if (/iPhone|iPod/.test(agent)) return "mobile";
  if (navigator.userAgentData?.mobile || /Android|Mobile/.test(agent)) {
    return /Android/.test(agent) && !/Mobile/.test(agent) && shorterSide >= 600 ? "tablet" : "mobile";
  }
  const touchOnly = matches("(pointer: coarse)") && !matches("(any-pointer: fine)");
  if (touchOnly) return shorterSide < 600 ? "mobile" : "tablet";
  return "desktop";
}

/**
 * Everything the browser tells.
 * @param {DeviceClass} deviceClass  detected or chosen
 * @param {Browser} browser
 * @param {{ strained?: boolean }} [state]  what only time tells: whether the processor has been under pressure
 * @returns {Promise<Capabilities>}
 */
export async function collect(deviceClass, browser, { strained = false } = {}) {
  const { navigator, screen, pixelRatio } = browser;
  const [model, decode, battery] = await Promise.all([modelOf(navigator), decodeOf(deviceClass, browser), powerOf(navigator)]);
  const power = careful(battery, strained ? "saver" : undefined);
  const connection = navigator.connection;
  const kind = { ethernet: "ethernet", wifi: "wifi", cellular: "cellular" }[String(connection?.type)];
  return {
    device: { class: deviceClass, ...(model ? { model } : {}) },
    display: {
      width: Math.round(screen.width),
      height: Math.round(screen.height),
      pixel_ratio: Math.min(Math.max(pixelRatio, 0.1), 16),
    },
    ...(decode ? { decode } : {}),
    ...(connection ? {
      network: {
        ...(kind ? { kind: /** @type {"wifi"} */ (kind) } : {}),
        ...(typeof connection.saveData === "boolean" ? { save_data: connection.saveData } : {}),
      },
    } : {}),
    ...(power ? { power: { state: power } } : {}),
  };
}

/** @param {any} navigator */
async function modelOf(navigator) {
  try {
    const { model, platform } = await navigator.userAgentData.getHighEntropyValues(["model"]);
    return String(model || platform || "").slice(0, 64);
  } catch {
    return ""; // Not offered, or refused: it is only for the operator's eyes.
  }
}

/** Sizes to ask about, largest first; the largest that decodes smoothly is the ceiling. */
const SIZES = /** @type {const} */ ([[1920, 1080, 3_500_000], [1280, 720, 1_500_000], [640, 360, 500_000]]);

/**
 * @param {DeviceClass} deviceClass
 * @param {Browser} browser
 * @returns {Promise<Capabilities["decode"]>}
 */
async function decodeOf(deviceClass, { navigator, videoCodecs }) {
  const names = [...new Set(videoCodecs())].filter((name) => /^(VP8|VP9|H264|AV1)$/i.test(name));
  if (names.length === 0) return undefined;
  /** @param {string} name @param {readonly [number, number, number]} size */
  const ask = async (name, [width, height, bitrate]) => {
    try {
      const video = { contentType: `video/${name}`, width, height, bitrate, framerate: 30 };
      return await navigator.mediaCapabilities.decodingInfo({ type: "webrtc", video });
    } catch {
      return undefined; // A browser that cannot be asked is taken at its class's word.
    }
  };
  const at720 = await Promise.all(names.map((name) => ask(name, SIZES[1])));
  const codecs = names.map((name, index) => ({ name, hardware: at720[index]?.powerEfficient === true }));
  const usable = codecs.filter((_, index) => at720[index]?.supported !== false);
  // The codec most calls use decides; a ceiling is only given when the browser says that something is not smooth.
  const [first] = names;
  const large = await ask(first ?? "VP8", SIZES[0]);
  const height = at720[0]?.smooth === false ? SIZES[2][1] : large?.smooth === false ? SIZES[1][1] : Infinity;
  const cores = Number(navigator.hardwareConcurrency) || Infinity;
  const pixels = codecs[0]?.hardware ? Infinity : cores * PIXELS_PER_CORE;
  const usual = USUAL[deviceClass];
  return {
    ...(height < usual.height ? { max_height: height } : {}),
    ...(pixels < usual.pixels ? { max_pixels_per_second: pixels } : {}),
    codecs: usable.length > 0 ? usable : codecs,
  };
}

/**
 * @param {any} navigator
 * @returns {Promise<PowerState | undefined>}
 */
async function powerOf(navigator) {
  if (!navigator.getBattery) return undefined;
  try {
    return powerState(await navigator.getBattery());
  } catch {
    return undefined; // Refused by policy.
  }
}

/**
 * Tells what the device can do whenever that has changed: network, battery, screen, pressure on the processor. Returns the
 * function that stops it.
 * @param {DeviceClass} deviceClass
 * @param {Capabilities} known  what was told before
 * @param {(capabilities: Capabilities) => void} tell
 */
export function watch(deviceClass, known, tell) {
  const end = new AbortController();
  const { signal } = end;
  let strained = false;
  let said = JSON.stringify(known);
  const look = async () => {
    const found = await collect(deviceClass, thisBrowser(), { strained });
    const now = JSON.stringify(found);
    if (signal.aborted || now === said) return;
    said = now;
    tell(found);
  };
  const { connection, getBattery } = /** @type {any} */ (navigator);
  connection?.addEventListener?.("change", look, { signal });
  getBattery?.call(navigator).then((/** @type {EventTarget} */ battery) => {
    for (const event of ["levelchange", "chargingchange"]) battery.addEventListener(event, look, { signal });
  }, () => {});
  const screenMoved = () => {
    // A query is about one ratio: after a change there is another one to watch.
    matchMedia(`(resolution: ${devicePixelRatio}dppx)`).addEventListener("change", () => { void look(); screenMoved(); }, { once: true, signal });
  };
  screenMoved();
  const stopPressure = watchPressure((now) => { strained = now; void look(); });
  signal.addEventListener("abort", stopPressure);
  void look();
  return () => end.abort();
}
