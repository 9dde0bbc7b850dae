// What can keep a camera, a microphone or a call from working, and what to do about it, in sentences. Pure.

/**
 * @typedef {object} Problem
 * @property {string} code
 * @property {string} title  what is wrong
 * @property {string} advice  what to do
 * @property {boolean} retry  whether trying again by hand makes sense
 */

const DEVICE = { audio: "microphone", video: "camera" };

/**
 * Why a device did not open, from the name of the DOMException of `getUserMedia`.
 * @param {"audio" | "video"} kind
 * @param {string} name
 * @param {boolean} secure  whether the page may use devices at all
 * @returns {Problem}
 */
export function deviceProblem(kind, name, secure) {
  const device = DEVICE[kind];
  if (!secure) {
    return {
      code: "insecure",
      title: `This address cannot use your ${device}`,
      advice: "Browsers allow it on https addresses and on localhost only. Open this page with https, or join without it.",
      retry: false,
    };
  }
  switch (name) {
    case "NotAllowedError":
    case "SecurityError":
      return {
        code: "denied",
        title: `The ${device} is blocked for this page`,
        advice: `Allow the ${device} with the button at the left of the address, then try again. You can join without it.`,
        retry: true,
      };
    case "NotFoundError":
    case "OverconstrainedError":
      return {
        code: "missing",
        title: `No ${device} was found`,
        advice: "Connect one and try again, or join without it.",
        retry: true,
      };
    case "NotReadableError":
    case "AbortError":
      return {
        code: "busy",
        title: `The ${device} does not start`,
        advice: "Another program may be using it. Close that program and try again, or join without it.",
        retry: true,
      };
    default:
      return {
        code: "failed",
        title: `The ${device} does not work`,
        advice: "Try again, or join without it.",
        retry: true,
      };
  }
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
