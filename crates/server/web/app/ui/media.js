// What this participant sends: microphone, camera and screen, on and off, and which device. Owns the tracks while the call
// lasts.

import { DeviceError, openDevice, openScreen } from "../../sdk/devices.js";
import { deviceProblem } from "../../sdk/problems.js";

/** @import { Session } from "../../sdk/session.js" */
/** @import { Choice } from "./join.js" */

export class Media {
  #call;
  #constraints;
  #changed;
  #complain;
  tracks;
  muted;
  /** @type {MediaStreamTrack[]} */
  #screen = [];

  /**
   * @param {Pick<Session, "setTrack" | "setMuted">} call
   * @param {Choice["tracks"]} tracks  those of the join screen; changed in place
   * @param {Parameters<typeof openDevice>[1]} constraints
   * @param {{ changed: () => void, complain: (words: string) => void }} tell
   */
  constructor(call, tracks, constraints, { changed, complain }) {
    this.#call = call;
    this.tracks = tracks;
    this.#constraints = constraints;
    this.#changed = changed;
    this.#complain = complain;
    this.muted = { audio: !tracks.audio, video: !tracks.video };
  }

  /** Whether a screen is being shared. */
  get sharing() {
    return this.#screen.length > 0;
  }

  async toggleMicrophone() {
    const { audio } = this.tracks;
    if (!audio) {
      if (!await this.open("audio")) return;
    } else {
      // The track goes on, so that unmuting takes no time.
      audio.enabled = this.muted.audio;
      this.#call.setMuted("microphone", !this.muted.audio);
    }
    this.muted.audio = !this.muted.audio;
    this.#changed();
  }

  async toggleCamera() {
    const { video } = this.tracks;
    if (video) {
      // The camera's light goes out: paused is off.
      video.stop();
      this.tracks.video = null;
      await this.#call.setTrack("camera", null);
    } else if (!await this.open("video")) {
      return;
    }
    this.muted.video = !this.tracks.video;
    this.#changed();
  }

  async toggleScreen() {
    if (this.sharing) return this.#stopScreen();
    try {
      const tracks = await openScreen();
      this.#screen = tracks;
      for (const track of tracks) {
        // The browser has a button of its own to stop it.
        track.onended = () => void this.#stopScreen();
        await this.#call.setTrack(track.kind === "video" ? "screen" : "screen-sound", track);
      }
    } catch (error) {
      // Whoever closes the browser's question has changed their mind, and needs no words about it.
      if (!(error instanceof DOMException && error.name === "NotAllowedError")) this.#complain("The screen cannot be shared from here.");
    }
    this.#changed();
  }

  async #stopScreen() {
    const tracks = this.#screen;
    this.#screen = [];
    for (const track of tracks) {
      track.onended = null;
      track.stop();
      await this.#call.setTrack(track.kind === "video" ? "screen" : "screen-sound", null);
    }
    this.#changed();
  }

  /**
   * Opens a device and sends it; says what is wrong when it does not open.
   * @param {"audio" | "video"} kind
   * @param {string} [deviceId]
   */
  async open(kind, deviceId) {
    try {
      const track = await openDevice(kind, { ...this.#constraints, ...(deviceId ? { deviceId } : {}) });
      this.tracks[kind]?.stop();
      this.tracks[kind] = track;
      if (kind === "audio") track.enabled = !this.muted.audio || !deviceId;
      await this.#call.setTrack(kind === "audio" ? "microphone" : "camera", track);
      if (kind === "video") this.muted.video = false;
      else if (deviceId && this.muted.audio) this.#call.setMuted("microphone", true);
      this.#changed();
      return true;
    } catch (error) {
      if (!(error instanceof DeviceError)) throw error;
      const { title, advice } = deviceProblem(kind, error.trouble);
      this.#complain(`${title}. ${advice}`);
      return false;
    }
  }

  /** Lets go of every device. */
  end() {
    for (const track of [...Object.values(this.tracks), ...this.#screen]) track?.stop();
  }
}
