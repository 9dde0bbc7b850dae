// The screen of a call: joins tiles, controls, side and dialogs, and keeps them in step with the session.

import { canShareScreen } from "../../sdk/devices.js";
import { Measure } from "../../sdk/measure.js";
import { isSilent, slotOf, stageSpeaker } from "../../sdk/room.js";
import { VIEWS_PER_SECOND, composeView, throttle } from "../../sdk/view.js";
import { OWN, items, lastingKey, order, stageKey } from "../../sdk/tiles.js";
import { Arrangement } from "./arrangement.js";
import { Weak } from "../weak.js";
import { ChatBox } from "./chat.js";
import { h, icon, iconButton, mark, relabel, setText } from "./dom.js";
import { Inside } from "./inside.js";
import { Media } from "./media.js";
import { Panel } from "./panel.js";
import { Side } from "./side.js";
import { Sounds } from "./sounds.js";
import { Tile } from "./tile.js";
import { Trouble } from "./trouble.js";

/** @import { Item } from "../../sdk/tiles.js" */
/** @import { Session } from "../../sdk/session.js" */
/** @import { Choice } from "./join.js" */

const CLOCK = {
  now: () => performance.now(),
  schedule: (/** @type {() => void} */ action, /** @type {number} */ delay) => setTimeout(action, delay),
};

export class CallScreen {
  element;
  #call;
  #choice;
  /** @type {Map<string, Tile>} by key; the empty one is the self view */
  #tiles = new Map();
  /** @type {readonly Item[]} */
  #items = [];
  #area = h("section", { class: "area", "aria-label": "Participants" });
  #count = h("span", { class: "count" });
  #alone;
  #sharing;
  #unread = h("span", { class: "unread", hidden: true });
  #arrangement = new Arrangement();
  #sounds = new Sounds();
  #panel = new Panel();
  #trouble;
  #media;
  #chat;
  #side;
  #buttons;
  #measure;
  #view;
  #rendering = false;
  /** @type {"grid" | "stage"} */
  #layout;
  /** The key of the tile that the user wants large. @type {string | undefined} */
  #pinned;
  /** The key of the tile that is large. @type {string | undefined} */
  #large;
  /** What the user wanted of tiles whose people are not back yet, by `lastingKey`. @type {Map<string, { wish: import("../../sdk/view.js").Wish, pinned: boolean }>} */
  #remembered = new Map();
  /** @type {string | undefined} */
  #speaker;
  /** @type {Set<string>} */
  #speaking = new Set();
  /** One's own link carries less than is wanted; at the start that is so for a while everywhere. */
  #weak = new Weak();
  #end;

  /**
   * @param {Session} call
   * @param {Choice} choice
   * @param {{ view?: "grid" | "stage", constraints: ConstructorParameters<typeof Media>[2] }} options
   */
  constructor(call, choice, { view, constraints }) {
    this.#call = call;
    this.#choice = choice;
    this.#layout = view ?? (choice.deviceClass === "mobile" ? "stage" : "grid");
    this.#trouble = new Trouble(call, () => this.#render());
    this.#media = new Media(call, choice.tracks, constraints,
      { changed: () => this.#render(), complain: (words) => this.#trouble.say(words) });
    this.#chat = new ChatBox((data) => call.send(data), () => this.#render());
    const inside = new Inside(call);
    this.#side = new Side({
      chat: { title: "Chat", element: this.#chat.element, shown: (open) => this.#chat.setOpen(open) },
      inside: { title: "Look inside", element: inside.element, shown: (open) => { if (open) inside.refresh(); } },
    }, () => this.#render());
    this.#buttons = this.#makeButtons();
    this.#alone = h("div", { class: "alone", hidden: true }, h("p", {}, "Nobody else is here yet."),
      h("button", { type: "button", class: "primary", on: { click: () => this.#invite() } }, icon("link"), "Invite others"));
    this.#sharing = h("p", { class: "bar sharing", role: "status", hidden: true }, "You are sharing your screen.",
      h("button", { type: "button", on: { click: () => void this.#media.toggleScreen() } }, "Stop"));
    this.element = h("main", { class: "call" },
      h("header", {}, mark(), h("h1", {}, choice.room), this.#count),
      this.#trouble.element, this.#sharing,
      h("div", { class: "middle" }, this.#area, this.#side.element),
      this.#alone, this.#sounds.button, this.#sounds.element,
      h("nav", { class: "controls", "aria-label": "Call" }, ...Object.values(this.#buttons)),
      this.#panel.element);
    this.#area.append(this.#arrangement.more);
    this.#view = throttle(() => this.#sendView(), 1000 / VIEWS_PER_SECOND, CLOCK);
    this.#measure = new Measure(() => { this.#render(); this.#view(); });
    this.#measure.add(this.#area);
    // A ring that jumps at every syllable is worse than none.
    const speakersChanged = throttle(() => {
      this.#speaking = new Set(call.room.speakers.map((speaker) => speaker.participant));
      this.#speaker = stageSpeaker(call.room, this.#speaker);
      this.#render();
    }, 1000, CLOCK);
    const offs = [
      call.on("room", () => { speakersChanged(); this.#render(); this.#view(); }),
      call.on("rejoined", () => this.#startAnew()),
      call.on("slots", () => { this.#sounds.show(call.slots); this.#render(); this.#view(); }),
      call.on("figures", () => { this.#tellWeak(); this.#render(); this.#panel.refresh(); if (this.#side.open === "inside") inside.refresh(); }),
      call.on("state", () => this.#render()),
      call.on("message", ({ from, data, private: direct }) => {
        this.#weak.heard(from, data);
        this.#chat.receive(call.room.participants.get(from)?.name ?? "Somebody", data, direct ?? false);
      }),
    ];
    const listeners = new AbortController();
    const { signal } = listeners;
    document.addEventListener("visibilitychange", () => this.#view(), { signal });
    document.addEventListener("keydown", (event) => this.#key(event), { signal });
    this.#end = () => {
      for (const off of offs) off();
      listeners.abort();
      this.#measure.end();
      this.#trouble.end();
    };
    this.#sounds.show(call.slots);
    speakersChanged();
  }

  /** Takes the screen off and lets go of the devices. */
  end() {
    this.#end();
    this.#media.end();
    this.element.remove();
  }

  #makeButtons() {
    /** @type {(drawing: import("./dom.js").Icon, label: string, key: string, click: () => void, className?: string) => HTMLButtonElement} */
    const button = (drawing, label, key, click, className = "") => {
      const made = iconButton(drawing, label, click, key ? { "aria-keyshortcuts": key } : {});
      if (className) made.classList.add(className);
      return made;
    };
    const chat = button("chat", "Chat", "c", () => this.#side.toggle("chat"));
    const buttons = {
      audio: button("mic", "Mute", "m", () => void this.#media.toggleMicrophone()),
      video: button("camera", "Stop camera", "v", () => void this.#media.toggleCamera()),
      share: button("screen", "Share screen", "s", () => void this.#media.toggleScreen()),
      view: button("stage", "Show stage", "g", () => this.#toggleLayout()),
      chat: h("span", { class: "counted" }, chat, this.#unread),
      inside: button("inside", "Look inside", "l", () => this.#side.toggle("inside"), "roomy"),
      invite: button("link", "Invite others", "i", () => this.#invite(), "roomy"),
      devices: button("gear", "Devices", "d", () => this.#devices(), "roomy"),
      help: button("help", "Keys", "?", () => this.#panel.keys(), "roomy"),
      more: button("more", "More", "", () => this.#more(), "narrow"),
      leave: button("leave", "Leave", "", () => this.#call.leave(), "leave"),
    };
    buttons.share.hidden = !canShareScreen();
    return buttons;
  }

  /** What has no button of its own on a small screen. */
  #more() {
    this.#panel.menu("More", [
      ["inside", "Look inside", () => this.#side.toggle("inside")],
      ["link", "Invite others", () => this.#invite()],
      ["gear", "Devices", () => this.#devices()],
    ]);
  }

  #toggleLayout() {
    this.#layout = this.#layout === "grid" ? "stage" : "grid";
    this.#pinned = undefined;
    this.#render();
    this.#view();
  }

  #invite() {
    this.#panel.invite(new URL(`/r/${this.#choice.room}`, location.href).href);
  }

  #devices() {
    void this.#panel.devices(this.#media.tracks, (kind, deviceId) => void this.#media.open(kind, deviceId));
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const { target } = event;
    const typing = target instanceof HTMLInputElement && !["radio", "range"].includes(target.type);
    if (typing || event.ctrlKey || event.metaKey || event.altKey || event.repeat || this.#panel.element.open) return;
    /** @type {Record<string, () => void>} */
    const actions = {
      m: () => void this.#media.toggleMicrophone(),
      v: () => void this.#media.toggleCamera(),
      s: () => { if (canShareScreen()) void this.#media.toggleScreen(); },
      g: () => this.#toggleLayout(),
      c: () => this.#side.toggle("chat"),
      l: () => this.#side.toggle("inside"),
      i: () => this.#invite(),
      d: () => this.#devices(),
      "?": () => this.#panel.keys(),
    };
    const action = actions[event.key];
    if (!action) return;
    // The key must not be typed into the field that it opens.
    event.preventDefault();
    action();
  }

  /** Draws at most once per turn, however much happened. */
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
    const { room, state } = this.#call;
    this.#items = items(room);
    if (!this.#items.some(({ key }) => key === this.#pinned)) this.#pinned = undefined;
    this.#keepTiles();
    this.#large = stageKey(this.#items, { layout: this.#layout, pinned: this.#pinned, speaker: this.#speaker });
    for (const item of this.#items) this.#drawOther(item);
    this.#drawOwn();
    const area = this.#measure.of(this.#area);
    const staged = this.#pinned !== undefined || this.#layout === "stage";
    if (area) this.#arrangement.place(this.#tiles, order(this.#items, this.#large), staged, area);
    const others = room.participants.size;
    setText(this.#count, others === 0 ? "" : `${others + 1} people`);
    this.#alone.hidden = others > 0 || state.phase !== "connected";
    this.#sharing.hidden = !this.#media.sharing;
    this.#drawControls(staged);
    this.#trouble.draw();
    this.element.dataset.phase = state.phase;
  }

  /**
   * After a restart of the server everybody has another id, perhaps one that was somebody else's: no tile is taken for its
   * former one by that, and what the user wanted waits for whoever it was about.
   */
  #startAnew() {
    for (const item of this.#items) {
      const { wish } = this.#tiles.get(item.key) ?? { wish: "auto" };
      const pinned = item.key === this.#pinned;
      if (wish !== "auto" || pinned) this.#remembered.set(lastingKey(item), { wish, pinned });
    }
    this.#items = [];
    this.#pinned = this.#speaker = undefined;
    this.#keepTiles();
  }

  /** @param {Item} item @param {Tile} tile */
  #recall(item, tile) {
    const key = lastingKey(item);
    const wanted = this.#remembered.get(key);
    if (!wanted) return;
    this.#remembered.delete(key);
    tile.wish = wanted.wish;
    if (wanted.pinned) this.#pinned = item.key;
    this.#view();
  }

  #keepTiles() {
    const keys = new Set([...this.#items.map(({ key }) => key), OWN]);
    for (const [key, tile] of this.#tiles) {
      if (keys.has(key)) continue;
      this.#measure.remove(tile.element);
      tile.element.remove();
      this.#tiles.delete(key);
    }
    for (const key of keys) {
      if (this.#tiles.has(key)) continue;
      const tile = new Tile(key, () => this.#explain(key));
      this.#tiles.set(key, tile);
      this.#area.append(tile.element);
      this.#measure.add(tile.element);
      for (const event of ["resize", "loadeddata"]) tile.video.addEventListener(event, () => this.#view());
      const item = this.#items.find((candidate) => candidate.key === key);
      if (item) this.#recall(item, tile);
    }
  }

  /** Where a tile's picture arrives. @param {Item} item */
  #arrival({ picture }) {
    const slot = picture && !picture.muted ? slotOf(this.#call.room, picture.id) : undefined;
    return { slot, stream: slot && this.#call.slots.find(({ mid }) => mid === slot.mid)?.stream };
  }

  /** @param {Item} item */
  #drawOther(item) {
    const { key, participant, kind, picture } = item;
    const { slot, stream } = this.#arrival(item);
    const received = slot && this.#call.figures?.received.get(slot.mid);
    const person = kind === "person";
    this.#tiles.get(key)?.show({
      name: person ? participant.name : `${participant.name}'s screen`,
      own: false,
      screen: !person,
      stream: stream ?? null,
      silent: person && isSilent(participant),
      speaking: person && this.#speaking.has(participant.id),
      pinned: this.#pinned === key,
      connection: participant.connection ?? "connected",
      cameraOff: person && (!picture || picture.muted),
      weak: person && this.#weak.has(participant.id),
      direct: slot !== undefined && this.#call.direct.has(slot.mid),
      ...(slot ? { slot } : {}),
      ...(received ? { received } : {}),
    });
  }

  /** What leaves as a camera. */
  #sent() {
    return (this.#call.figures?.sent ?? []).filter(({ mid }) => this.#call.sendingAt(mid) === "camera");
  }

  /** Tells the others when one's own link is the limit of what they see. */
  #tellWeak() {
    const limited = this.#sent().some(({ active, limitedBy }) => active && limitedBy === "bandwidth");
    const { self, participants } = this.#call.room;
    const others = [...participants.keys()].filter((id) => id !== self);
    for (const { data, to } of this.#weak.note(limited, performance.now(), others)) this.#call.send(data, to);
  }

  #drawOwn() {
    const { video } = this.#media.tracks;
    const sent = this.#sent();
    const tile = this.#tiles.get(OWN);
    const shown = tile?.video.srcObject instanceof MediaStream ? tile.video.srcObject : null;
    const same = shown?.getTracks()[0] === (video ?? undefined);
    tile?.show({
      name: this.#choice.name,
      own: true,
      screen: false,
      stream: same ? shown : video ? new MediaStream([video]) : null,
      silent: this.#media.muted.audio,
      speaking: this.#speaking.has(this.#call.room.self),
      pinned: false,
      connection: "connected",
      cameraOff: !video,
      weak: this.#weak.own,
      sent,
    });
  }

  /** @param {boolean} staged */
  #drawControls(staged) {
    const { audio, video, share, view, chat, inside } = this.#buttons;
    const { muted, sharing } = this.#media;
    relabel(audio, muted.audio ? "mic-off" : "mic", muted.audio ? "Unmute" : "Mute");
    relabel(video, muted.video ? "camera-off" : "camera", muted.video ? "Start camera" : "Stop camera");
    relabel(share, "screen", sharing ? "Stop sharing" : "Share screen");
    relabel(view, staged ? "grid" : "stage", staged ? "Show grid" : "Show stage");
    audio.classList.toggle("off", muted.audio);
    video.classList.toggle("off", muted.video);
    share.classList.toggle("on", sharing);
    const { unread } = this.#chat;
    this.#unread.hidden = unread === 0;
    setText(this.#unread, unread > 9 ? "9+" : String(unread));
    const button = chat.querySelector("button");
    button?.setAttribute("aria-label", unread ? `Chat, ${unread} unread` : "Chat");
    button?.setAttribute("aria-expanded", String(this.#side.open === "chat"));
    inside.setAttribute("aria-expanded", String(this.#side.open === "inside"));
  }

  /** @param {string} key */
  #explain(key) {
    if (key === OWN) return this.#panel.sent(() => this.#sent());
    const tile = this.#tiles.get(key);
    const item = () => this.#items.find((candidate) => candidate.key === key);
    const found = item();
    if (!tile || !found) return;
    this.#panel.why(found.kind === "screen" ? `${found.participant.name}'s screen` : found.participant.name, () => {
      const now = item();
      const slot = now && this.#arrival(now).slot;
      const received = slot && this.#call.figures?.received.get(slot.mid);
      const direct = slot !== undefined && this.#call.direct.has(slot.mid);
      const { estimate } = this.#call.room;
      return { slot, received, direct, estimate, encodings: now?.picture?.encodings ?? [], wish: tile.wish, pinned: this.#pinned === key };
    }, {
      wish: (wish) => {
        tile.wish = wish;
        this.#view();
      },
      pin: () => {
        this.#pinned = this.#pinned === key ? undefined : key;
        this.#render();
        this.#view();
      },
      inside: () => { if (this.#side.open !== "inside") this.#side.toggle("inside"); },
    });
  }

  #sendView() {
    const mids = this.#call.slots.filter(({ kind }) => kind === "video").map(({ mid }) => mid);
    if (mids.length === 0 || !this.#measure.of(this.#area)) return;
    /** @type {Map<string, import("../../sdk/view.js").Tile>} */
    const shown = new Map();
    for (const item of this.#items) {
      const tile = this.#tiles.get(item.key);
      const { slot } = this.#arrival(item);
      const measured = tile && this.#measure.of(tile.element);
      if (!item.picture || !slot || !measured || !mids.includes(slot.mid)) continue;
      const { videoWidth, videoHeight } = tile.video;
      const pinned = this.#pinned === item.key;
      shown.set(slot.mid, {
        ...measured,
        visible: measured.visible && !tile.element.hidden,
        wish: tile.wish,
        priority: pinned ? 3 : this.#large === item.key ? 2 : this.#layout === "stage" ? 0 : 1,
        fit: item.kind === "screen" ? "contain" : "cover",
        aspect: videoWidth && videoHeight ? videoWidth / videoHeight : 16 / 9,
        encodings: item.picture.encodings ?? [],
        ...(pinned ? { pinned: item.picture.id } : {}),
      });
    }
    this.#call.setView(composeView(mids, shown, {
      pixelRatio: devicePixelRatio, pageHidden: document.visibilityState === "hidden", vacant: this.#arrangement.vacant,
    }));
  }
}
