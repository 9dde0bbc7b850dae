// Which codecs are offered, and in which of them pictures are sent. Pure but for `preferCodecs`.

/** Video codecs in the order we like them: those of the others cost lines in every section of every offer. */
const VIDEO_CODECS = ["VP8", "H264", "VP9", "AV1"];

/** @typedef {"vp8" | "h264" | "vp9" | "av1"} VideoCodec */

/** @param {RTCRtpCodec} codec */
const nameOf = (codec) => (codec.mimeType.split("/")[1] ?? "").toUpperCase();

/** @param {string} kind @param {boolean} sends */
function capabilities(kind, sends) {
  return (sends ? RTCRtpSender : RTCRtpReceiver).getCapabilities?.(kind)?.codecs ?? [];
}

/** The video codecs in which this browser can send, in the order we like them. */
export function encodable() {
  return [...new Set(preferred("video", capabilities("video", true)).map(nameOf))].filter((name) => VIDEO_CODECS.includes(name));
}

/**
 * The codec to send in, in lower case: one's own wish, unless the receivers are better served by others and this browser encodes one
 * of them. Undefined where nobody has a wish: the server's order decides.
 * @param {VideoCodec | undefined} wish
 * @param {readonly string[] | null | undefined} serving  by a demand; absent for any
 * @param {readonly string[]} encodable
 */
export function chosen(wish, serving, encodable) {
  if (!serving || serving.includes((wish ?? "vp8").toUpperCase())) return wish;
  const best = encodable.find((name) => serving.includes(name));
  return best ? /** @type {VideoCodec} */ (best.toLowerCase()) : wish;
}

/** @param {RTCRtpTransceiver} transceiver @param {{ codec?: VideoCodec | undefined, redundancy?: boolean }} [wanted]  of what is sent */
export function preferCodecs(transceiver, wanted) {
  const { kind } = transceiver.receiver.track;
  const sends = transceiver.direction !== "recvonly";
  try {
    transceiver.setCodecPreferences(preferred(kind, capabilities(kind, sends), sends ? wanted : undefined));
  } catch {
    // An older browser, or one that lists what it does not accept here: its own order will do, in larger offers.
  }
}

/**
 * The codecs to offer, in order. Of each only the profile that every browser encodes and decodes; of H.264 also only the
 * packetisation that splits frames (RFC 6184 §5.4). A codec that is wanted is offered alone, as the server has an order of
 * its own; where the browser lacks it, that order decides.
 * @param {string} kind
 * @param {RTCRtpCodec[]} known
 * @param {{ codec?: VideoCodec | undefined, redundancy?: boolean }} [wanted]
 */
export function preferred(kind, known, wanted) {
  if (kind === "audio") {
    const sound = ["OPUS", "RED"].flatMap((one) => known.filter((codec) => nameOf(codec) === one));
    return wanted?.redundancy ? sound.reverse() : sound;
  }
  const fits = known.filter((codec) => {
    const parameters = codec.sdpFmtpLine ?? "";
    if (nameOf(codec) === "H264") return /packetization-mode=1/.test(parameters) && /profile-level-id=42e0/i.test(parameters);
    return !/(^|;)\s*profile(-id)?=[1-9]/.test(parameters);
  });
  const ranked = VIDEO_CODECS.flatMap((one) => fits.filter((codec) => nameOf(codec) === one));
  const alone = ranked.filter((codec) => nameOf(codec) === wanted?.codec?.toUpperCase());
  return [...(alone.length > 0 ? alone : ranked), ...known.filter((codec) => nameOf(codec) === "RTX")];
}
