// The screen of a call: tiles in a grid or around a stage, controls, and the words for what is wrong.

import { DeviceError, openDevice } from "../devices.js";
import { grid, stage } from "../layout.js";
import { connectionProblem, deviceProblem, mediaProblem } from "../problems.js";
import { isSilent, mainPicture, slotOf, stageSpeaker } from "../room.js";
import { VIEWS_PER_SECOND, composeView, throttle } from "../view.js";
import { h, icon, iconButton, mark, relabel, setText } from "./dom.js";
import { Measure } from "./measure.js";
import { Panel } from "./panel.js";
import { Tile } from "./tile.js";

/** @import { Participant, Publication, SlotState } from "../messages.js" */
/** @import { Session } from "../session.js" */
/** @import { Choice } from "./join.js" */

/** What a call screen uses of a session; a page without a server can bring its own. */
/** @typedef {Pick<Session, "on" | "state" | "room" | "slots" | "figures" | "setView" | "setTrack" | "setMuted" | "leave">} Call */

const GAP = 8;
/** At this size a screen is held in a hand. */
const SMALL = 600;
/** After this time without media something is in the way. */
const MEDIA_PATIENCE_MS = 12_000;
const CLOCK = {
  now: () => performance.now(),
  schedule: (/** @type {() => void} */ action, /** @type {number} */ delay) => setTimeout(action, delay),
};
const OWN = "";

export class CallScreen {
  element;
  #call;
  #choice;
  #constraints;
  /** @type {Map<string, Tile>} by participant; the empty name is the self view */
  #tiles = new Map();
  #area = h("section", { class: "area", "aria-label": "Participants" });
  #sounds = h("div", { hidden: true });
  #bar = h("p", { class: "bar", role: "status", hidden: true });
  #count = h("span", { class: "count" });
  #more = h("span", { class: "more", hidden: true });
  #alone;
  #unmute;
  #buttons;
  #panel = new Panel();
  #measure;
  #view;
  #rendering = false;
  /** @type {"grid" | "stage"} */
  #layout;
  /** @type {string | undefined} */
  #pinned;
  /** @type {string | undefined} */
  #onStage;
  /** @type {Set<string>} */
  #speaking = new Set();
  #speakersChanged;
  #muted;
  #vacant = { width: 320, height: 180 };
  #started = performance.now();
  /** Whether an ordinary request came through while the socket was lost. @type {boolean | undefined} */
  #reachable;
  #end;

  /**
   * @param {Call} call
   * @param {Choice} choice
   * @param {{ view?: "grid" | "stage", constraints: Parameters<typeof openDevice>[1] }} options
   */
  constructor(call, choice, { view, constraints }) {
    this.#call = call;
    this.#choice = choice;
    this.#constraints = constraints;
    this.#layout = view ?? (choice.deviceClass === "mobile" ? "stage" : "grid");
    this.#muted = { audio: !choice.tracks.audio, video: !choice.tracks.video };
    this.#buttons = {
      audio: iconButton("mic", "Mute", () => void this.toggleMicrophone(), { "aria-keyshortcuts": "m" }),
      video: iconButton("camera", "Stop camera", () => void this.toggleCamera(), { "aria-keyshortcuts": "v" }),
      view: iconButton("stage", "Show stage", () => this.toggleLayout(), { "aria-keyshortcuts": "g" }),
      invite: iconButton("link", "Invite others", () => this.#invite(), { "aria-keyshortcuts": "i" }),
      help: iconButton("help", "Keys", () => this.#panel.keys(), { "aria-keyshortcuts": "?" }),
      leave: iconButton("leave", "Leave", () => call.leave()),
    };
    this.#buttons.leave.classList.add("leave");
    this.#buttons.help.classList.add("roomy");
    this.#alone = h("div", { class: "alone", hidden: true }, h("p", {}, "Nobody else is here yet."),
      h("button", { type: "button", class: "primary", on: { click: () => this.#invite() } }, icon("link"), "Invite others"));
    this.#unmute = h("button", { type: "button", class: "primary unmute", hidden: true,
      on: { click: () => this.#hear() } }, "Tap to hear the others");
    this.element = h("main", { class: "call" },
      h("header", {}, mark(), h("h1", {}, choice.room), this.#count),
      this.#bar, this.#area, this.#alone, this.#unmute, this.#sounds,
      h("nav", { class: "controls", "aria-label": "Call" }, ...Object.values(this.#buttons)),
      this.#panel.element);
    this.#area.append(this.#more);
    const interval = 1000 / VIEWS_PER_SECOND;
    this.#view = throttle(() => this.#sendView(), interval, CLOCK);
    this.#measure = new Measure(() => { this.#render(); this.#view(); });
    this.#measure.add(this.#area);
    // A ring that jumps at every syllable is worse than none.
    this.#speakersChanged = throttle(() => {
      this.#speaking = new Set(call.room.speakers.map((speaker) => speaker.participant));
      this.#onStage = stageSpeaker(call.room, this.#onStage);
      this.#render();
    }, 1000, CLOCK);
    const offs = [
      call.on("room", () => { this.#speakersChanged(); this.#render(); this.#view(); }),
      call.on("slots", () => { this.#showSounds(); this.#render(); this.#view(); }),
      call.on("figures", () => { this.#render(); this.#panel.refresh(); }),
      call.on("state", (state) => { void this.#probe(state); this.#render(); }),
    ];
    const listeners = new AbortController();
    const { signal } = listeners;
    document.addEventListener("visibilitychange", () => this.#view(), { signal });
    document.addEventListener("keydown", (event) => this.#key(event), { signal });
    for (const event of ["online", "offline"]) addEventListener(event, () => this.#render(), { signal });
    this.#end = () => {
      for (const off of offs) off();
      listeners.abort();
      this.#measure.end();
    };
    this.#showSounds();
    this.#speakersChanged();
  }

  /** Takes the screen off; tracks are the caller's. */
  end() {
    this.#end();
    this.element.remove();
  }

  async toggleMicrophone() {
    const { tracks } = this.#choice;
    if (!tracks.audio) {
      if (!await this.#open("audio")) return;
    } else {
      // The track goes on, so that unmuting takes no time.
      tracks.audio.enabled = this.#muted.audio;
      this.#call.setMuted("audio", !this.#muted.audio);
    }
    this.#muted.audio = !this.#muted.audio;
    this.#render();
  }

  async toggleCamera() {
    const { tracks } = this.#choice;
    if (tracks.video) {
      // The camera's light goes out: paused is off.
      tracks.video.stop();
      tracks.video = null;
      await this.#call.setTrack("video", null);
    } else if (!await this.#open("video")) {
      return;
    }
    this.#muted.video = !tracks.video;
    this.#render();
  }

  toggleLayout() {
    this.#layout = this.#layout === "grid" ? "stage" : "grid";
    this.#pinned = undefined;
    this.#render();
  }

  /** @param {"audio" | "video"} kind */
  async #open(kind) {
    try {
      const track = await openDevice(kind, this.#constraints);
      this.#choice.tracks[kind] = track;
      await this.#call.setTrack(kind, track);
      return true;
    } catch (error) {
      if (!(error instanceof DeviceError)) throw error;
      const { title, advice } = deviceProblem(kind, error.trouble);
      this.#bar.dataset.passing = `${title}. ${advice}`;
      setTimeout(() => { delete this.#bar.dataset.passing; this.#render(); }, 6000);
      this.#render();
      return false;
    }
  }

  #invite() {
    this.#panel.invite(new URL(`/r/${this.#choice.room}`, location.href).href);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const typing = event.target instanceof HTMLInputElement && event.target.type === "text";
    if (typing || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    /** @type {Record<string, () => void>} */
    const actions = {
      m: () => void this.toggleMicrophone(),
      v: () => void this.toggleCamera(),
      g: () => this.toggleLayout(),
      i: () => this.#invite(),
      "?": () => this.#panel.keys(),
    };
    actions[event.key]?.();
  }

  /** Draws at most once per frame, however much happened. */
  #render() {
    if (this.#rendering) return;
    this.#rendering = true;
    // Not by animation frame: a hidden page has none, and its tiles must be there when it is shown.
    queueMicrotask(() => {
      this.#rendering = false;
      this.#draw();
    });
  }

  #draw() {
    const { room } = this.#call;
    if (this.#pinned !== undefined && !room.participants.has(this.#pinned)) this.#pinned = undefined;
    this.#keepTiles(room.participants);
    for (const participant of room.participants.values()) this.#drawRemote(participant);
    this.#drawOwn();
    this.#place();
    const others = room.participants.size;
    setText(this.#count, others === 0 ? "" : `${others + 1} people`);
    this.#alone.hidden = others > 0 || this.#call.state.phase !== "connected";
    this.#drawControls();
    this.#drawBar();
  }

  /** @param {ReadonlyMap<string, Participant>} participants */
  #keepTiles(participants) {
    for (const [id, tile] of this.#tiles) {
      if (id === OWN || participants.has(id)) continue;
      this.#measure.remove(tile.element);
      tile.element.remove();
      this.#tiles.delete(id);
    }
    for (const id of [...participants.keys(), OWN]) {
      if (this.#tiles.has(id)) continue;
      const tile = new Tile(id, () => this.#explain(id));
      this.#tiles.set(id, tile);
      this.#area.append(tile.element);
      this.#measure.add(tile.element);
      for (const event of ["resize", "loadeddata"]) tile.video.addEventListener(event, () => this.#view());
    }
  }

  /** @param {Participant} participant */
  #drawRemote(participant) {
    const { picture, slot, stream } = this.#picture(participant);
    const received = slot && this.#call.figures?.received.get(slot.mid);
    this.#tiles.get(participant.id)?.show({
      name: participant.name,
      own: false,
      stream: stream ?? null,
      silent: isSilent(participant),
      speaking: this.#speaking.has(participant.id),
      pinned: this.#pinned === participant.id,
      connection: participant.connection ?? "connected",
      cameraOff: !picture || picture.muted,
      ...(slot ? { slot } : {}),
      ...(received ? { received } : {}),
    });
  }

  /**
   * What is to be seen of a participant, and where it arrives.
   * @param {Participant} participant
   * @returns {{ picture?: Publication | undefined, slot?: SlotState | undefined, stream?: MediaStream | undefined }}
   */
  #picture(participant) {
    const picture = mainPicture(participant);
    if (!picture || picture.muted) return { picture };
    const slot = slotOf(this.#call.room, picture.id);
    return { picture, slot, stream: slot && this.#call.slots.find(({ mid }) => mid === slot.mid)?.stream };
  }

  #drawOwn() {
    const { video } = this.#choice.tracks;
    const tile = this.#tiles.get(OWN);
    const shown = tile?.video.srcObject instanceof MediaStream ? tile.video.srcObject : null;
    const same = shown?.getTracks()[0] === (video ?? undefined);
    tile?.show({
      name: this.#choice.name,
      own: true,
      stream: same ? shown : video ? new MediaStream([video]) : null,
      silent: this.#muted.audio,
      speaking: this.#speaking.has(this.#call.room.self),
      pinned: false,
      connection: "connected",
      cameraOff: !video,
      sent: this.#call.figures?.sent ?? [],
    });
  }

  /** Tiles in their order: whom the stage is for first, then by arrival, then oneself. */
  #order() {
    const ids = [...this.#call.room.participants.keys()];
    const first = this.#pinned ?? (this.#layout === "stage" ? this.#onStage : undefined);
    if (first !== undefined && ids.includes(first)) ids.unshift(...ids.splice(ids.indexOf(first), 1));
    return ids;
  }

  #place() {
    const area = this.#measure.of(this.#area);
    if (!area) return;
    const small = Math.min(area.width, area.height) < SMALL;
    const ids = this.#order();
    const staged = this.#pinned !== undefined || this.#layout === "stage";
    const arrange = staged ? stage : grid;
    // One's own picture must not take room from the others: on a small screen, and where it would be cut off, it floats.
    const floating = ids.length > 0 && (small || arrange(ids.length + 1, area, GAP).hidden > 0);
    const shown = floating ? ids : [...ids, OWN];
    const { tiles, hidden } = arrange(shown.length, area, GAP);
    shown.forEach((id, index) => {
      const tile = this.#tiles.get(id);
      if (!tile) return;
      const place = tiles[index];
      tile.element.hidden = !place;
      tile.element.classList.toggle("on-stage", staged && index === 0 && shown.length > 1);
      tile.element.classList.remove("floating");
      if (place) put(tile.element, place);
    });
    const own = this.#tiles.get(OWN)?.element;
    if (own && floating) {
      const width = Math.min(area.width * 0.28, area.height * 0.28, 200);
      const size = { width, height: width * (area.height > area.width ? 4 / 3 : 9 / 16) };
      const main = tiles[0] ?? { x: 0, y: 0, width: area.width, height: area.height };
      own.hidden = false;
      own.classList.add("floating");
      put(own, { x: main.x + main.width - size.width - GAP, y: main.y + GAP, ...size });
    }
    // A newcomer would make the tiles this large: what an empty slot is worth.
    this.#vacant = arrange(shown.length + 1, area, GAP).tiles.at(-1) ?? this.#vacant;
    this.#more.hidden = hidden === 0;
    setText(this.#more, `and ${hidden} more`);
    // In the lower right corner of the first tile, where it covers nobody in the strip.
    const [first] = tiles;
    if (first) {
      const [right, bottom] = [first.x + first.width - GAP, first.y + first.height - GAP];
      this.#more.style.translate = `calc(${right}px - 100%) calc(${bottom}px - 100%)`;
    }
  }

  #drawControls() {
    const { audio, video, view } = this.#buttons;
    relabel(audio, this.#muted.audio ? "mic-off" : "mic", this.#muted.audio ? "Unmute" : "Mute");
    relabel(video, this.#muted.video ? "camera-off" : "camera", this.#muted.video ? "Start camera" : "Stop camera");
    audio.classList.toggle("off", this.#muted.audio);
    video.classList.toggle("off", this.#muted.video);
    const staged = this.#pinned !== undefined || this.#layout === "stage";
    relabel(view, staged ? "grid" : "stage", staged ? "Show grid" : "Show stage");
  }

  #drawBar() {
    const words = this.#bar.dataset.passing ?? this.#trouble();
    this.#bar.hidden = !words;
    setText(this.#bar, words ?? "");
    this.element.dataset.phase = this.#call.state.phase;
  }

  /** @returns {string | undefined} */
  #trouble() {
    const { state } = this.#call;
    if (state.phase === "closed") return undefined;
    if (state.socket === "lost") {
      const found = { secure: isSecureContext, reachable: this.#reachable, online: navigator.onLine, host: location.host };
      const { title, advice } = connectionProblem(found);
      const goesOn = state.media === "connected" ? "Connection to the server lost, the call goes on. Reconnecting …" : "";
      return navigator.onLine && goesOn ? goesOn : `${title}. ${advice}`;
    }
    if (state.media === "lost") return "Sound and picture are interrupted. Looking for another way …";
    if (state.media === "connected") return undefined;
    if (performance.now() - this.#started < MEDIA_PATIENCE_MS) return "Connecting …";
    const { title, advice } = mediaProblem(location.hostname);
    return `${title}. ${advice}`;
  }

  /** Tells a server that is away from one that only refuses sockets. @param {Call["state"]} state */
  async #probe(state) {
    const lost = state.phase !== "closed" && state.socket === "lost";
    if (!lost) this.#reachable = undefined;
    if (!lost || this.#reachable !== undefined) return;
    const answer = await fetch("/", { method: "HEAD", cache: "no-store" }).catch(() => undefined);
    this.#reachable = answer !== undefined;
    this.#render();
  }

  /** @param {string} id */
  #explain(id) {
    if (id === OWN) return this.#panel.sent(() => this.#call.figures?.sent ?? []);
    const tile = this.#tiles.get(id);
    const participant = () => this.#call.room.participants.get(id);
    const name = participant()?.name ?? "";
    this.#panel.why(name, () => {
      const now = participant();
      const { picture, slot } = now ? this.#picture(now) : {};
      const received = slot && this.#call.figures?.received.get(slot.mid);
      return { slot, received, encodings: picture?.encodings ?? [], wish: tile?.wish ?? "auto", pinned: this.#pinned === id };
    }, {
      wish: (wish) => {
        if (tile) tile.wish = wish;
        this.#view();
      },
      pin: () => {
        this.#pinned = this.#pinned === id ? undefined : id;
        this.#render();
        this.#view();
      },
    });
  }

  /** One element per audio slot: sound needs no place on the screen. */
  #showSounds() {
    const streams = this.#call.slots.filter(({ kind }) => kind === "audio").map(({ stream }) => stream);
    const known = [...this.#sounds.children].map((child) => child instanceof HTMLAudioElement && child.srcObject);
    if (streams.length === known.length && streams.every((stream, index) => stream === known[index])) return;
    this.#sounds.replaceChildren(...streams.map((srcObject) => h("audio", { srcObject, autoplay: true })));
    this.#hear();
  }

  /** Browsers let a page be heard after a gesture only. */
  #hear() {
    this.#unmute.hidden = true;
    for (const sound of this.#sounds.children) {
      if (!(sound instanceof HTMLAudioElement)) continue;
      sound.play().catch((error) => { if (error.name === "NotAllowedError") this.#unmute.hidden = false; });
    }
  }

  #sendView() {
    const mids = this.#call.slots.filter(({ kind }) => kind === "video").map(({ mid }) => mid);
    if (mids.length === 0 || !this.#measure.of(this.#area)) return;
    /** @type {Map<string, import("../view.js").Tile>} */
    const tiles = new Map();
    for (const [id, tile] of this.#tiles) {
      const participant = this.#call.room.participants.get(id);
      const { picture, slot } = participant ? this.#picture(participant) : {};
      const measured = this.#measure.of(tile.element);
      if (!picture || !slot || !measured || !mids.includes(slot.mid)) continue;
      const { videoWidth, videoHeight } = tile.video;
      const staged = tile.element.classList.contains("on-stage");
      tiles.set(slot.mid, {
        ...measured,
        visible: measured.visible && !tile.element.hidden,
        wish: tile.wish,
        priority: this.#pinned === id ? 3 : staged ? 2 : this.#layout === "stage" ? 0 : 1,
        fit: picture.source === "screen" ? "contain" : "cover",
        aspect: videoWidth && videoHeight ? videoWidth / videoHeight : 16 / 9,
        encodings: picture.encodings ?? [],
        ...(this.#pinned === id ? { pinned: picture.id } : {}),
      });
    }
    this.#call.setView(composeView(mids, tiles, {
      pixelRatio: devicePixelRatio, pageHidden: document.visibilityState === "hidden", vacant: this.#vacant,
    }));
  }
}

/** @param {HTMLElement} element @param {import("../layout.js").Rectangle} place */
function put({ style }, { x, y, width, height }) {
  style.translate = `${x}px ${y}px`;
  style.width = `${width}px`;
  style.height = `${height}px`;
}
