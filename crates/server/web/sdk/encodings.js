// The encodings of a camera and of a screen, and how the room's demand changes them. Pure.

/** @import { EncodingDemand } from "./messages.js" */

/**
 * What a publication is encoded as, smallest first: a browser that is short of bandwidth switches off from the end.
 * @typedef {{ rid: string, scaleResolutionDownBy: number, maxBitrate: number, maxFramerate?: number }} Ladder
 */

/** @type {readonly Ladder[]} */
export const CAMERA = [
  { rid: "q", scaleResolutionDownBy: 4, maxBitrate: 200_000 },
  { rid: "h", scaleResolutionDownBy: 2, maxBitrate: 700_000 },
  { rid: "f", scaleResolutionDownBy: 1, maxBitrate: 2_000_000 },
];

/** A screen is sharp before it is smooth: text that moves is read when it stands still. @type {readonly Ladder[]} */
export const SCREEN = [
  { rid: "h", scaleResolutionDownBy: 2, maxBitrate: 600_000, maxFramerate: 15 },
  { rid: "f", scaleResolutionDownBy: 1, maxBitrate: 2_500_000, maxFramerate: 15 },
];

/**
 * Several encodings, or one with spatial layers inside.
 * @typedef {"simulcast" | "svc"} Layers
 */

/** Whether a codec has spatial layers. @param {string | undefined} codec */
export function hasSpatial(codec) {
  return codec === "vp9" || codec === "av1";
}

/**
 * A ladder as the browser takes it. VP9 and AV1 need to be told that each encoding stands alone, or only the first is sent;
 * as layers of one stream, the upper ones refer to the lower ones in keyframes only, so that a receiver can be moved down at
 * any picture. A stream that was agreed as the only one stays alone where its codec becomes one without spatial layers.
 * @param {readonly Ladder[]} ladder
 * @param {string | undefined} codec
 * @param {boolean} spatial
 * @returns {(Partial<Ladder> & { scalabilityMode?: string })[]}
 */
export function layered(ladder, codec, spatial) {
  const mode = hasSpatial(codec) ? { scalabilityMode: "L1T3" } : {};
  if (!spatial || ladder.length === 0) return ladder.map((encoding) => ({ ...encoding, ...mode }));
  const { maxFramerate } = ladder[0] ?? {};
  return [{
    scalabilityMode: hasSpatial(codec) ? `L${ladder.length}T3_KEY` : "L1T3",
    maxBitrate: ladder.reduce((sum, encoding) => sum + encoding.maxBitrate, 0),
    ...(maxFramerate === undefined ? {} : { maxFramerate }),
  }];
}

/**
 * What can be set of an encoding in mid call; RTCRtpEncodingParameters has more, which is left alone.
 * @typedef {{ rid?: string, active?: boolean, maxBitrate?: number, maxFramerate?: number, scalabilityMode?: string }} Encoding
 */

/**
 * Changes encodings in place to what the room wants; limits of the ladder still hold, and an encoding of which the demand
 * says nothing stays as it is. Returns whether anything changed: `setParameters` is not free.
 * @param {Encoding[]} encodings  of RTCRtpSender.getParameters
 * @param {readonly EncodingDemand[]} wanted
 * @param {readonly (Partial<Ladder> & { scalabilityMode?: string })[]} ladder
 */
export function obey(encodings, wanted, ladder) {
  let changed = false;
  /** @template {keyof Encoding} K @param {Encoding} encoding @param {K} key @param {Encoding[K] | undefined} value */
  const set = (encoding, key, value) => {
    if (encoding[key] === value) return;
    changed = true;
    if (value === undefined) delete encoding[key];
    else encoding[key] = value;
  };
  for (const encoding of encodings) {
    // A publication that is not simulcast has one encoding without a name.
    const demand = wanted.find(({ rid }) => rid === undefined || rid === encoding.rid);
    if (!demand) continue;
    const own = ladder.find(({ rid }) => rid === encoding.rid);
    set(encoding, "active", demand.active);
    set(encoding, "maxBitrate", least(own?.maxBitrate, demand.max_bitrate_bps));
    set(encoding, "maxFramerate", least(own?.maxFramerate, demand.max_fps));
    // The codec may have become another one.
    if (own?.scalabilityMode) set(encoding, "scalabilityMode", own.scalabilityMode);
  }
  return changed;
}

/** The smaller of two limits, of which each may be missing. @param {number | undefined} a @param {number | null | undefined} b */
function least(a, b) {
  if (a === undefined || b === undefined || b === null) return a ?? b ?? undefined;
  return Math.min(a, b);
}
