// The page: joins the join screen, a session and the call screen, and shows the outside what it may see.

import { collect, detectClass, thisBrowser, watch } from "../sdk/capabilities.js";
import { randomRoom, roomInPath } from "./names.js";
import { readParameters } from "./parameters.js";
import { Session, endingWords, socketOf } from "../sdk/terrace.js";
import { CallScreen } from "./ui/call.js";
import { JoinScreen } from "./ui/join.js";

/** @import { Choice } from "./ui/join.js" */

const parameters = readParameters(location.search, location.hash);
const page = document.getElementById("page") ?? document.body;
/** @type {Session | undefined} */
let session;
let asking = true;
/** What the session complained about, the last of it. @type {string[]} */
let problems = [];
/** The page goes away; whoever is back after a reload returns to the call. */
let leaving = false;

/**
 * Remembered: the name for the next call, the room for a reload in mid call. A browser that forbids it forgets.
 * @param {() => Storage} storage
 * @param {string} key
 * @param {string} [value]
 */
function remembered(storage, key, value) {
  try {
    if (value !== undefined) storage().setItem(`terrace.${key}`, value);
    return storage().getItem(`terrace.${key}`) ?? "";
  } catch {
    return value ?? "";
  }
}
const forEver = () => localStorage;
const forThisTab = () => sessionStorage;

/** Whether this page is the reload of one that was in a call in this room. @param {string | undefined} room */
function returns(room) {
  const [navigation] = performance.getEntriesByType("navigation");
  const reloaded = navigation instanceof PerformanceNavigationTiming && navigation.type === "reload";
  return reloaded && room !== undefined && remembered(forThisTab, "room") === room;
}

/** @param {string} [note] */
async function ask(note) {
  asking = true;
  const room = roomInPath(location.pathname);
  const screen = new JoinScreen({
    room: room ?? randomRoom(),
    name: parameters.name ?? remembered(forEver, "name"),
    deviceClass: parameters.deviceClass ?? detectClass(thisBrowser()),
    parameters,
    ...(note ? { note } : {}),
  }, (choice) => void join(choice));
  page.replaceChildren(screen.element);
  await screen.begin();
  if (note === undefined && (parameters.auto || returns(room))) screen.submit();
}

/** @param {Choice} choice */
async function join(choice) {
  asking = false;
  const { room, name, deviceClass, direct, tracks } = choice;
  if (parameters.name === undefined) remembered(forEver, "name", name);
  remembered(forThisTab, "room", room);
  history.replaceState(null, "", `/r/${room}${location.search}`);
  document.title = `${room} – Terrace`;
  const capabilities = await collect(deviceClass, thisBrowser());
  const current = new Session({
    url: socketOf(location.href),
    room,
    name,
    capabilities,
    tracks: { microphone: tracks.audio, camera: tracks.video },
    ...(parameters.slots === undefined ? {} : { videoSlots: parameters.slots }),
    ...(parameters.token === undefined ? {} : { token: parameters.token }),
    encoder: {
      ...(parameters.codec === undefined ? {} : { codec: parameters.codec }),
      ...(parameters.layers === undefined ? {} : { layers: parameters.layers }),
      ...(parameters.audio === "red" ? { redundancy: true } : {}),
    },
    ...(direct ? { direct } : {}),
  });
  session = current;
  const size = typeof parameters.video === "object" ? { size: parameters.video } : {};
  const screen = new CallScreen(current, choice, {
    ...(parameters.view ? { view: parameters.view } : {}),
    constraints: { ...size, ...(parameters.fps ? { fps: parameters.fps } : {}) },
  });
  page.replaceChildren(screen.element);
  const unwatch = watch(deviceClass, capabilities, (found) => current.setCapabilities(found));
  const awake = keepAwake();
  current.on("problem", (problem) => { problems = [...problems.slice(-19), problem]; });
  current.on("state", (state) => {
    if (state.phase !== "closed") return;
    awake();
    unwatch();
    if (!leaving) remembered(forThisTab, "room", "");
    screen.end();
    void ask(endingWords(state.code, state.message));
  });
  current.start();
}

/** A phone that locks itself hangs up. Returns the function that lets it sleep again. */
function keepAwake() {
  /** @type {WakeLockSentinel | undefined} */
  let lock;
  const request = async () => {
    if (document.visibilityState !== "visible") return;
    lock = await navigator.wakeLock?.request("screen").catch(() => undefined);
  };
  document.addEventListener("visibilitychange", request);
  void request();
  return () => {
    document.removeEventListener("visibilitychange", request);
    void lock?.release();
  };
}

// Whoever closes the page leaves at once instead of after a timeout.
addEventListener("pagehide", () => {
  leaving = true;
  session?.leave();
});

/**
 * What the page shows to tests and embedders. Reading changes nothing; each reading is a copy.
 * `state`: asking, connecting, connected, reconnecting or closed. `slots`: the server's word with what was decoded.
 */
const terrace = {
  get state() {
    return asking ? "asking" : session?.state.phase ?? "connecting";
  },
  get self() {
    return session?.room.self ?? "";
  },
  get participants() {
    return structuredClone([...session?.room.participants.values() ?? []]);
  },
  get slots() {
    const received = session?.figures?.received;
    return (session?.slots ?? []).map(({ mid, kind }) => structuredClone({
      ...(session?.room.slots.get(mid) ?? {}), mid, kind, decoded: received?.get(mid) ?? null,
      direct: session?.direct.has(mid) ?? false,
    }));
  },
  get sent() {
    return (session?.figures?.sent ?? []).map((sent) => ({ ...sent, source: session?.sendingAt(sent.mid) ?? "" }));
  },
  get history() {
    return (session?.history.samples ?? []).map((sample) => ({ ...sample, slots: structuredClone([...sample.slots.values()]) }));
  },
  get problems() {
    return [...problems];
  },
  get roundTripMs() {
    return session?.figures?.roundTripMs;
  },
};
Object.defineProperty(window, "terrace", { value: Object.freeze(terrace) });

void ask();
