// The simplest view of a call: a figure per picture in an element of yours, in its order of arrival. Sizes come from your
// style sheet and go to the server by themselves, so that everybody gets the picture that fits.

import { Measure } from "./measure.js";
import { slotOf } from "./room.js";
import { items } from "./tiles.js";
import { VIEWS_PER_SECOND, composeView, throttle } from "./view.js";

/** @import { Session } from "./session.js" */
/** @import { Item } from "./tiles.js" */
/** @import { Tile } from "./view.js" */

const CLOCK = {
  now: () => performance.now(),
  schedule: (/** @type {() => void} */ action, /** @type {number} */ delay) => setTimeout(action, delay),
};

/**
 * Shows a call in an element: a `figure` with a `video` and a `figcaption` for every camera and every shared screen, and
 * sound without a picture of its own. A figure has the attributes `data-participant`, `data-kind` (`person` or `screen`)
 * and, while it shows a picture, `data-size` (as in `360p`). Returns the function that takes all of it away.
 * @param {Session} call
 * @param {HTMLElement} element
 */
export function show(call, element) {
  /** @type {Map<string, { figure: HTMLElement, video: HTMLVideoElement, caption: HTMLElement }>} */
  const figures = new Map();
  /** @type {Map<MediaStream, HTMLAudioElement>} */
  const sounds = new Map();

  const say = throttle(() => {
    const mids = call.slots.filter(({ kind }) => kind === "video").map(({ mid }) => mid);
    if (mids.length === 0) return;
    /** @type {Map<string, Tile>} */
    const tiles = new Map();
    for (const item of items(call.room)) {
      const { video } = figures.get(item.key) ?? {};
      const slot = slotOf(call.room, item.picture?.id);
      const measured = video && measure.of(video);
      if (!video || !slot || !measured) continue;
      const aspect = video.videoWidth ? video.videoWidth / video.videoHeight : 16 / 9;
      tiles.set(slot.mid, { ...measured, wish: "auto", priority: 1, fit: fitOf(video), aspect, encodings: [] });
    }
    const vacant = { width: 320, height: 180 };
    call.setView(composeView(mids, tiles, { pixelRatio: devicePixelRatio, pageHidden: document.visibilityState === "hidden", vacant }));
  }, 1000 / VIEWS_PER_SECOND, CLOCK);

  const measure = new Measure(() => say());

  /** @param {string} key @param {Item} item */
  const make = (key, item) => {
    const figure = document.createElement("figure");
    const video = Object.assign(document.createElement("video"), { autoplay: true, playsInline: true, muted: true });
    const caption = document.createElement("figcaption");
    figure.dataset.participant = item.participant.id;
    figure.dataset.kind = item.kind;
    figure.append(video, caption);
    video.addEventListener("resize", () => {
      figure.dataset.size = `${Math.min(video.videoWidth, video.videoHeight)}p`;
      say();
    });
    element.append(figure);
    measure.add(video);
    const made = { figure, video, caption };
    figures.set(key, made);
    return made;
  };

  const draw = () => {
    const all = items(call.room);
    const keys = new Set(all.map(({ key }) => key));
    for (const [key, { figure, video }] of figures) {
      if (keys.has(key)) continue;
      measure.remove(video);
      figure.remove();
      figures.delete(key);
    }
    for (const item of all) {
      const { video, caption, figure } = figures.get(item.key) ?? make(item.key, item);
      caption.textContent = item.kind === "screen" ? `${item.participant.name}: screen` : item.participant.name;
      const slot = item.picture && !item.picture.muted ? slotOf(call.room, item.picture.id) : undefined;
      const stream = call.slots.find(({ mid }) => mid === slot?.mid)?.stream ?? null;
      if (video.srcObject !== stream) video.srcObject = stream;
      if (!stream) delete figure.dataset.size;
    }
    for (const { kind, stream } of call.slots) {
      if (kind !== "audio" || sounds.has(stream)) continue;
      const sound = Object.assign(document.createElement("audio"), { autoplay: true, srcObject: stream });
      sounds.set(stream, sound);
      element.append(sound);
    }
    for (const [stream, sound] of sounds) {
      if (call.slots.some((slot) => slot.stream === stream)) continue;
      sound.remove();
      sounds.delete(stream);
    }
    say();
  };

  const offs = [call.on("room", draw), call.on("slots", draw)];
  const listeners = new AbortController();
  document.addEventListener("visibilitychange", say, { signal: listeners.signal });
  draw();
  return () => {
    for (const off of offs) off();
    listeners.abort();
    measure.end();
    for (const { figure } of figures.values()) figure.remove();
    for (const sound of sounds.values()) sound.remove();
  };
}

/** @param {HTMLVideoElement} video @returns {"cover" | "contain"} */
function fitOf(video) {
  return getComputedStyle(video).objectFit === "cover" ? "cover" : "contain";
}
