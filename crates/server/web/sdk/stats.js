// Figures of a call out of getStats: rates from two looks, the `report` message, nothing that needs a browser.

/** @import { Report, SlotReport } from "./messages.js" */

/**
 * What one slot received, as decoded. Counters are totals since the section exists.
 * @typedef {object} Received
 * @property {number} width  of the last decoded frame; 0 before the first
 * @property {number} height
 * @property {number} fps  frames decoded per second between the last two looks
 * @property {number} kbps  payload and headers without retransmissions
 * @property {number} framesDecoded
 * @property {number} framesDropped
 * @property {number} decodeTimeMs
 * @property {number} freezes
 * @property {number} keyframes
 * @property {number} packetsLost
 * @property {number} bytes
 * @property {string} codec
 *
 * What one encoding sends.
 * @typedef {{ mid: string, rid: string, width: number, height: number, fps: number, kbps: number, active: boolean, bytes: number,
 *             limitedBy: string, codec: string }} Sent
 *
 * @typedef {object} Figures
 * @property {number} at  milliseconds, of the browser's own clock
 * @property {ReadonlyMap<string, Received>} received  by MID of the slot
 * @property {readonly Sent[]} sent  the encodings of camera and screen, smallest first
 * @property {number | undefined} roundTripMs  to the server
 */

/**
 * A look at a connection.
 * @param {RTCPeerConnection} connection
 * @param {Figures} [before]
 */
export async function figuresOf(connection, before) {
  /** @type {Stat[]} */
  const stats = [];
  (await connection.getStats()).forEach((stat) => stats.push(stat));
  return figures(stats, new Map(connection.getTransceivers().map(({ mid, receiver }) => [receiver.track.id, mid ?? ""])), before);
}

/** @typedef {Record<string, any>} Stat one entry of an RTCStatsReport; its fields depend on its type and browser */

/**
 * The figures of one look, with rates against the look before.
 * @param {Iterable<Stat>} report  values of an RTCStatsReport
 * @param {ReadonlyMap<string, string>} midOfTrack  MID by the id of the receiver's track, for browsers whose figures
 *   carry no `mid`
 * @param {Figures} [before]
 * @returns {Figures}
 */
export function figures(report, midOfTrack, before) {
  const stats = [...report];
  const byId = new Map(stats.map((stat) => [stat.id, stat]));
  const at = Math.max(0, ...stats.map((stat) => stat.timestamp ?? 0));
  const seconds = before ? (at - before.at) / 1000 : 0;
  /** @type {Map<string, Received>} */
  const received = new Map();
  for (const stat of stats.filter((stat) => stat.type === "inbound-rtp")) {
    const mid = stat.mid ?? midOfTrack.get(stat.trackIdentifier);
    if (mid === undefined) continue;
    const last = before?.received.get(mid);
    const framesDecoded = stat.framesDecoded ?? 0;
    const bytes = (stat.bytesReceived ?? 0) + (stat.headerBytesReceived ?? 0) - (stat.retransmittedBytesReceived ?? 0);
    received.set(mid, {
      width: stat.frameWidth ?? 0,
      height: stat.frameHeight ?? 0,
      fps: rate(framesDecoded, last?.framesDecoded, seconds),
      kbps: (rate(bytes, last?.bytes, seconds) * 8) / 1000,
      framesDecoded,
      framesDropped: stat.framesDropped ?? 0,
      decodeTimeMs: Math.round((stat.totalDecodeTime ?? 0) * 1000),
      freezes: stat.freezeCount ?? 0,
      keyframes: stat.keyFramesDecoded ?? 0,
      packetsLost: stat.packetsLost ?? 0,
      bytes,
      codec: codecName(byId.get(stat.codecId)),
    });
  }
  const sent = stats.filter((stat) => stat.type === "outbound-rtp" && stat.kind === "video").map((stat) => {
    const [mid, rid] = [stat.mid ?? "", stat.rid ?? ""];
    const last = before?.sent.find((encoding) => encoding.mid === mid && encoding.rid === rid);
    return {
      mid,
      rid,
      width: stat.frameWidth ?? 0,
      height: stat.frameHeight ?? 0,
      fps: stat.framesPerSecond ?? 0,
      kbps: (rate(stat.bytesSent ?? 0, last?.bytes, seconds) * 8) / 1000,
      active: stat.active ?? true,
      bytes: stat.bytesSent ?? 0,
      limitedBy: stat.qualityLimitationReason ?? "none",
      codec: codecName(byId.get(stat.codecId)),
    };
  });
  sent.sort((a, b) => a.width * a.height - b.width * b.height);
  const pair = stats.find((stat) => stat.type === "candidate-pair" && stat.nominated && stat.state === "succeeded");
  const roundTrip = pair?.currentRoundTripTime;
  return { at, received, sent, roundTripMs: roundTrip === undefined ? undefined : Math.round(roundTrip * 1000) };
}

/**
 * How decoding went between two looks, for the server. Slots that showed nothing are left out.
 * @param {Figures} before
 * @param {Figures} after
 * @returns {Report}
 */
export function reportBetween(before, after) {
  /** @type {SlotReport[]} */
  const slots = [];
  for (const [mid, now] of after.received) {
    const then = before.received.get(mid);
    const frames_decoded = grown(now.framesDecoded, then?.framesDecoded);
    const frames_dropped = grown(now.framesDropped, then?.framesDropped);
    if (frames_decoded + frames_dropped === 0) continue;
    const decode_time_ms = grown(now.decodeTimeMs, then?.decodeTimeMs);
    slots.push({ mid, frames_decoded, frames_dropped, decode_time_ms, freezes: grown(now.freezes, then?.freezes) });
  }
  return { type: "report", interval_ms: Math.max(1, Math.round(after.at - before.at)), slots };
}

/**
 * What a counter grew by. One that fell was started anew and has grown by all it shows.
 * @param {number} now
 * @param {number | undefined} then
 */
function grown(now, then) {
  return now >= (then ?? 0) ? now - (then ?? 0) : now;
}

/** @param {number} now @param {number | undefined} then @param {number} seconds */
function rate(now, then, seconds) {
  return then === undefined || seconds <= 0 ? 0 : grown(now, then) / seconds;
}

/** @param {Stat | undefined} codec */
function codecName(codec) {
  return String(codec?.mimeType ?? "").split("/").at(-1) ?? "";
}
