// Camera and microphone: opens them, lists them, says what is wrong. Owns no track: who opened one stops it.

import { deviceProblem, deviceTrouble } from "./problems.js";

/** @import { DeviceTrouble } from "./problems.js" */

/** A device that did not open, and why. */
export class DeviceError extends Error {
  /** @param {"audio" | "video"} kind @param {DeviceTrouble} trouble */
  constructor(kind, trouble) {
    super(deviceProblem(kind, trouble).title);
    this.kind = kind;
    this.trouble = trouble;
  }
}

/**
 * Opens a camera or microphone.
 * @param {"audio" | "video"} kind
 * @param {{ deviceId?: string, size?: { width: number, height: number }, fps?: number }} wish
 * @returns {Promise<MediaStreamTrack>}
 * @throws {DeviceError}
 */
export async function openDevice(kind, { deviceId, size = { width: 1280, height: 720 }, fps = 30 }) {
  const devices = navigator.mediaDevices;
  if (!devices) throw new DeviceError(kind, "insecure");
  const chosen = deviceId ? { deviceId: { exact: deviceId } } : {};
  const video = {
    ...chosen,
    ...(deviceId ? {} : { facingMode: "user" }),
    width: { ideal: size.width },
    height: { ideal: size.height },
    frameRate: { ideal: fps },
  };
  const audio = { ...chosen, echoCancellation: true, noiseSuppression: true, autoGainControl: true };
  try {
    const stream = await devices.getUserMedia(kind === "video" ? { video } : { audio });
    const track = stream.getTracks()[0];
    if (!track) throw new DOMException("no track", "NotFoundError");
    if (kind === "video") track.contentHint = "motion";
    return track;
  } catch (error) {
    const name = error instanceof Error ? error.name : "";
    throw new DeviceError(kind, deviceTrouble(name, isSecureContext));
  }
}

/**
 * The devices of a kind that can be chosen. Before permission browsers hide their names, and there is nothing to choose.
 * @param {"audio" | "video"} kind
 */
export async function listDevices(kind) {
  const all = await navigator.mediaDevices?.enumerateDevices().catch(() => []) ?? [];
  return all.filter((device) => device.kind === `${kind}input` && device.label !== "");
}

/**
 * How loud a microphone is, from 0 to 1, for a meter. Returns the function that stops it.
 * @param {MediaStreamTrack} track
 * @param {(level: number) => void} show
 */
export function meter(track, show) {
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  analyser.fftSize = 512;
  context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
    // From -60 dB, a quiet room, to -10 dB, a loud voice.
    show(Math.min(Math.max((10 * Math.log10(power + 1e-9) + 60) / 50, 0), 1));
  }, 100);
  return () => {
    clearInterval(timer);
    void context.close();
  };
}

/** Whether this browser can share a screen; phones cannot. */
export function canShareScreen() {
  return "getDisplayMedia" in (navigator.mediaDevices ?? {});
}

/**
 * Asks the user for a screen, a window or a tab to share: one picture, and its sound where there is any.
 * @returns {Promise<MediaStreamTrack[]>}
 */
export async function openScreen() {
  const stream = await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { max: 15 } }, audio: true });
  const tracks = stream.getTracks();
  // Sharp before smooth: the encoder drops frames, not lines.
  for (const track of tracks) if (track.kind === "video") track.contentHint = "detail";
  return tracks;
}
