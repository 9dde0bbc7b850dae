// What can keep a camera, a microphone or a call from working, and what to do about it, in sentences. Pure.

/**
 * @typedef {object} Problem
 * @property {string} code
 * @property {string} title  what is wrong
 * @property {string} advice  what to do
 * @property {boolean} retry  whether trying again by hand makes sense
 */

/** @typedef {"insecure" | "denied" | "missing" | "busy" | "failed"} DeviceTrouble */

/** What getUserMedia throws, by the name of its DOMException (Media Capture and Streams §10.2). */
const TROUBLES = /** @type {Readonly<Record<string, DeviceTrouble>>} */ ({
  NotAllowedError: "denied",
  SecurityError: "denied",
  NotFoundError: "missing",
  OverconstrainedError: "missing",
  NotReadableError: "busy",
  AbortError: "busy",
});

/**
 * @param {string} name  of the DOMException
 * @param {boolean} secure  whether the page may use devices at all
 * @returns {DeviceTrouble}
 */
export function deviceTrouble(name, secure) {
  if (!secure) return "insecure";
  return Object.hasOwn(TROUBLES, name) ? TROUBLES[name] ?? "failed" : "failed";
}

/**
 * Why a device did not open, or both, and what to do.
 * @param {"audio" | "video" | "both"} kind
 * @param {DeviceTrouble} code
 * @returns {Problem}
 */
export function deviceProblem(kind, code) {
  const both = kind === "both";
  const device = { audio: "microphone", video: "camera", both: "camera and microphone" }[kind];
  const subject = both ? "Camera and microphone" : `The ${device}`;
  const without = both ? "join without them" : "join without it";
  /** @type {Record<DeviceTrouble, [title: string, advice: string]>} */
  const words = {
    insecure: [
      `This address cannot use your ${device}`,
      `Browsers allow it on https addresses and on localhost only. Open this page with https, or ${without}.`,
    ],
    denied: [
      `${subject} ${both ? "are" : "is"} blocked for this page`,
      `Allow the ${device} with the button at the left of the address and try again, or ${without}.`,
    ],
    missing: [
      `No ${device} ${both ? "were" : "was"} found`,
      `Connect ${both ? "them" : "one"} and try again, or ${without}.`,
    ],
    busy: [
      `${subject} ${both ? "do" : "does"} not start`,
      `Another program may be in the way. Close that program and try again, or ${without}.`,
    ],
    failed: [`${subject} ${both ? "do" : "does"} not work`, `Try again, or ${without}.`],
  };
  const [title, advice] = words[code];
  return { code, title, advice, retry: code !== "insecure" };
}

/**
 * Why there is no connection yet. `reachable` is whether an ordinary request to the server succeeds, undefined while
 * that is not known.
 * @param {{ secure: boolean, reachable: boolean | undefined, online: boolean, host: string }} found
 * @returns {Problem}
 */
export function connectionProblem({ secure, reachable, online, host }) {
  if (!online) {
    return {
      code: "offline",
      title: "This device is offline",
      advice: "The call goes on as soon as there is a network.",
      retry: false,
    };
  }
  if (reachable && secure) {
    return {
      code: "socket",
      title: "The connection for the call is refused",
      advice: `The page loads, its WebSocket does not. Accept the certificate by opening https:\u2060//${host} in a tab `
        + "of its own; if that does not help, a proxy on the way may not pass WebSockets.",
      retry: true,
    };
  }
  return {
    code: "unreachable",
    title: "The server does not answer",
    advice: "Trying again by itself. If the server was restarted with a new certificate, reload this page and accept it.",
    retry: false,
  };
}

/** No media although signalling works: nearly always a firewall. @param {string} host @returns {Problem} */
export function mediaProblem(host) {
  return {
    code: "media",
    title: "Sound and picture do not get through",
    advice: `The server ${host} is reached, but not by UDP. A firewall or VPN may block it; another network may help.`,
    retry: false,
  };
}

/** Why a call ended that nobody here ended, by the server's code. */
const ENDINGS = /** @type {Readonly<Record<string, string>>} */ ({
  left: "You left the call.",
  unauthorized: "This room needs a valid invitation. Ask for a new link.",
  room_full: "The room is full. Try again when somebody has left.",
  server_full: "The server is full. Try again in a few minutes.",
  replaced: "This call goes on in another window.",
  removed: "You were removed from the room, or the room was closed.",
  offer_rejected: "This browser and the server found nothing in common. An update of the browser may help.",
});

/**
 * @param {string} code
 * @param {string} message  of the server, for codes without words of ours
 */
export function endingWords(code, message) {
  return Object.hasOwn(ENDINGS, code) ? ENDINGS[code] ?? message : message || "The call ended.";
}
