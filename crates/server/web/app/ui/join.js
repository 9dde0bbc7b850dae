// The screen before a call: name, room, devices with a preview, what kind of device this is. Ends in one callback.

import { DEVICE_CLASSES } from "../parameters.js";
import { DeviceError, listDevices, meter, openDevice } from "../../sdk/devices.js";
import { toParticipantName, toRoomName } from "../names.js";
import { deviceProblem } from "../../sdk/problems.js";
import { h, icon, iconButton, mark, relabel } from "./dom.js";

/** @import { DeviceClass } from "../../sdk/messages.js" */
/** @import { Parameters } from "../parameters.js" */
/** @import { DeviceTrouble } from "../../sdk/problems.js" */

/**
 * @typedef {object} Choice
 * @property {string} name
 * @property {string} room
 * @property {DeviceClass} deviceClass
 * @property {boolean} direct  media may go straight to the other one while there are two
 * @property {{ audio: MediaStreamTrack | null, video: MediaStreamTrack | null }} tracks
 *
 * @typedef {"audio" | "video"} Kind
 */

const CLASS_NAMES = { mobile: "Phone", tablet: "Tablet", desktop: "Computer", tv: "TV" };

export class JoinScreen {
  element;
  #parameters;
  /** @type {Record<Kind, MediaStreamTrack | null>} */
  #tracks = { audio: null, video: null };
  /** @type {Record<Kind, string | undefined>} */
  #chosen = { audio: undefined, video: undefined };
  #stopMeter = () => {};
  #name;
  #room;
  #preview = h("video", { muted: true, autoplay: true, playsInline: true, class: "mirrored" });
  #nothing = h("p", { class: "nothing" });
  #level = h("meter", { min: 0, max: 1, value: 0, "aria-label": "Microphone level" });
  #buttons;
  #selects;
  #notices = h("div", { class: "notices", role: "status" });
  /** @type {Map<Kind, DeviceTrouble>} */
  #troubles = new Map();
  #class;
  #direct;
  #join;

  /**
   * @param {{ room: string, name: string, deviceClass: DeviceClass, parameters: Parameters, note?: string }} start
   * @param {(choice: Choice) => void} join
   */
  constructor({ room, name, deviceClass, parameters, note }, join) {
    this.#parameters = parameters;
    this.#join = join;
    this.#name = h("input", { id: "name", value: name, autocomplete: "name", maxLength: 64, required: true,
      placeholder: "What others see" });
    this.#room = h("input", { id: "room", value: room, maxLength: 64, autocapitalize: "none", spellcheck: false,
      on: { change: () => { this.#room.value = toRoomName(this.#room.value) || room; } } });
    this.#buttons = {
      audio: iconButton("mic", "Turn microphone off", () => void this.toggle("audio")),
      video: iconButton("camera", "Turn camera off", () => void this.toggle("video")),
    };
    this.#selects = {
      video: this.#select("video", "Camera"),
      audio: this.#select("audio", "Microphone"),
    };
    this.#class = h("div", { class: "choices" }, ...DEVICE_CLASSES.map((value) => h("label", {},
      h("input", { type: "radio", name: "class", value, checked: value === deviceClass }),
      h("span", {}, CLASS_NAMES[value]))));
    this.#direct = h("input", { type: "checkbox", id: "direct", checked: parameters.direct ?? false });
    this.element = h("main", { class: "join" },
      h("header", {}, mark(), h("h1", {}, "Terrace")),
      note && h("p", { class: "ending", role: "status" }, note),
      h("form", { on: { submit: (/** @type {Event} */ event) => { event.preventDefault(); this.#submit(); } } },
        h("section", { class: "look" },
          h("div", { class: "preview" }, this.#preview, this.#nothing,
            h("div", { class: "controls" }, this.#buttons.audio, this.#buttons.video, this.#level)),
          h("div", { class: "devices" }, this.#selects.video.parentElement, this.#selects.audio.parentElement),
          this.#notices),
        h("section", { class: "who" },
          h("label", { htmlFor: "name" }, "Your name"), this.#name,
          h("label", { htmlFor: "room" }, "Room"), this.#room,
          h("fieldset", {}, h("legend", {}, "This device is a"), this.#class),
          h("label", { class: "check" }, this.#direct,
            h("span", {}, "Talk directly while there are two", h("small", {}, "if the other one wants it too; each then sees the other's address"))),
          h("button", { type: "submit", class: "primary" }, "Join"),
          h("p", { class: "hint" }, "What you receive is chosen for this device, its screen and its link."))));
  }

  /** Opens camera and microphone, as far as they are wanted. */
  async begin() {
    this.#show();
    const wanted = /** @type {Kind[]} */ (["video", "audio"]).filter((kind) => this.#parameters[kind] !== "off");
    // One after the other: browsers ask for both in turn, and some answer neither when asked for both at once.
    for (const kind of wanted) await this.#open(kind);
  }

  /** Joins as if the button had been pressed. */
  submit() {
    this.#submit();
  }

  /** Turns a device on or off. @param {Kind} kind */
  async toggle(kind) {
    if (this.#tracks[kind]) {
      this.#close(kind);
      this.#troubles.delete(kind);
      this.#show();
    } else {
      await this.#open(kind);
    }
  }

  /** @param {Kind} kind */
  async #open(kind) {
    this.#close(kind);
    const size = typeof this.#parameters.video === "object" ? this.#parameters.video : undefined;
    const { fps } = this.#parameters;
    const deviceId = this.#chosen[kind];
    try {
      const track = await openDevice(kind, { ...(deviceId ? { deviceId } : {}), ...(size ? { size } : {}),
        ...(fps ? { fps } : {}) });
      this.#tracks[kind] = track;
      this.#troubles.delete(kind);
      if (kind === "audio") this.#stopMeter = meter(track, (level) => { this.#level.value = level; });
      track.onended = () => { this.#close(kind); this.#show(); };
    } catch (error) {
      if (!(error instanceof DeviceError)) throw error;
      this.#troubles.set(kind, error.trouble);
    }
    await this.#list(kind);
    this.#show();
  }

  /** @param {Kind} kind */
  #close(kind) {
    if (kind === "audio") this.#stopMeter();
    this.#tracks[kind]?.stop();
    this.#tracks[kind] = null;
  }

  /** @param {Kind} kind @param {string} label */
  #select(kind, label) {
    const select = h("select", { id: `device-${kind}`, on: { change: () => {
      this.#chosen[kind] = select.value;
      void this.#open(kind);
    } } });
    h("label", { htmlFor: select.id }, h("span", {}, label), select);
    return select;
  }

  /** @param {Kind} kind */
  async #list(kind) {
    const select = this.#selects[kind];
    const used = this.#tracks[kind]?.getSettings().deviceId;
    const devices = await listDevices(kind);
    select.replaceChildren(...devices.map((device) => h("option", {
      value: device.deviceId, selected: device.deviceId === used,
    }, device.label.replace(/ \([0-9a-f]{4}:[0-9a-f]{4}\)$/, ""))));
  }

  #show() {
    const { audio, video } = this.#tracks;
    relabel(this.#buttons.audio, audio ? "mic" : "mic-off", audio ? "Turn microphone off" : "Turn microphone on");
    relabel(this.#buttons.video, video ? "camera" : "camera-off", video ? "Turn camera off" : "Turn camera on");
    this.#buttons.audio.classList.toggle("off", !audio);
    this.#buttons.video.classList.toggle("off", !video);
    const shown = this.#preview.srcObject instanceof MediaStream ? this.#preview.srcObject.getTracks()[0] : undefined;
    if (shown !== (video ?? undefined)) this.#preview.srcObject = video ? new MediaStream([video]) : null;
    this.#preview.hidden = !video;
    this.#level.hidden = !audio;
    this.#nothing.hidden = Boolean(video);
    const trouble = this.#troubles.get("video");
    this.#nothing.textContent = trouble ? deviceProblem("video", trouble).title : "Your camera is off";
    for (const kind of /** @type {Kind[]} */ (["audio", "video"])) {
      const label = this.#selects[kind].parentElement;
      // With one device there is nothing to choose.
      if (label) label.hidden = this.#selects[kind].options.length < 2;
    }
    this.#notices.replaceChildren(...this.#noticed());
  }

  /** What is wrong with the devices; the same trouble with both is one notice. */
  #noticed() {
    const [video, audio] = [this.#troubles.get("video"), this.#troubles.get("audio")];
    /** @type {[Kind | "both", DeviceTrouble][]} */
    const found = video && video === audio ? [["both", video]] : [...this.#troubles];
    return found.map(([kind, trouble]) => {
      const problem = deviceProblem(kind, trouble);
      const again = async () => {
        for (const one of /** @type {Kind[]} */ (kind === "both" ? ["video", "audio"] : [kind])) await this.#open(one);
      };
      return h("div", { class: "notice", data: { problem: problem.code } }, icon("warning"),
        h("div", {}, h("strong", {}, problem.title), h("p", {}, problem.advice)),
        problem.retry && h("button", { type: "button", on: { click: () => void again() } }, "Try again"));
    });
  }

  #submit() {
    const name = toParticipantName(this.#name.value) || "Guest";
    const room = toRoomName(this.#room.value);
    const checked = this.#class.querySelector("input:checked");
    const deviceClass = /** @type {DeviceClass} */ (checked instanceof HTMLInputElement ? checked.value : "unknown");
    this.#stopMeter();
    for (const track of Object.values(this.#tracks)) if (track) track.onended = null;
    this.#join({ name, room, deviceClass, direct: this.#direct.checked, tracks: { ...this.#tracks } });
  }
}
