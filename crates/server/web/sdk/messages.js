// The messages of terrace.v1 as JSDoc types; owns names only. The contract itself is in proto/ of the repository.

/** The WebSocket subprotocol, and its path below the server's origin. */
export const SUBPROTOCOL = "terrace.v1";
export const PATH = "/v1/signal";

/**
 * @typedef {"mobile" | "tablet" | "desktop" | "tv" | "unknown"} DeviceClass
 * @typedef {{
 *   device?: { class: DeviceClass, model?: string },
 *   display?: { width: number, height: number, pixel_ratio: number },
 *   decode?: { max_streams?: number, max_height?: number, max_fps?: number, max_pixels_per_second?: number,
 *              codecs?: { name: string, hardware: boolean }[] },
 *   network?: { kind?: "ethernet" | "wifi" | "cellular" | "unknown", save_data?: boolean, max_downlink_bps?: number },
 *   power?: { state: "normal" | "saver" | "critical" },
 *   direct?: boolean,
 * }} Capabilities
 *
 * @typedef {"camera" | "screen" | "microphone"} Source
 * @typedef {{ rid?: string, width: number, height: number, fps: number, active: boolean }} Encoding
 * @typedef {{ id: string, kind: "audio" | "video", source: Source, muted: boolean, encodings?: Encoding[] }} Publication
 * @typedef {{ id: string, name: string, identity?: string, connection?: "connecting" | "connected" | "reconnecting",
 *             publications?: Publication[] }} Participant
 *
 * @typedef {"auto" | "none" | { publication: string }} Want
 * @typedef {{ mid: string, want: Want, width?: number, height?: number, fps?: number, priority?: number,
 *             max_height?: number }} SlotView
 * @typedef {{ mid: string, frames_decoded: number, frames_dropped: number, decode_time_ms: number,
 *             freezes: number }} SlotReport
 *
 * @typedef {{ type: "join", room: string, name: string, token?: string, capabilities?: Capabilities,
 *             resume?: string }} Join
 * @typedef {{ type: "publish", mid: string, muted: boolean, source: Source }} Publish
 * @typedef {{ type: "view", slots: SlotView[] }} View
 * @typedef {{ type: "report", interval_ms: number, slots: SlotReport[] }} Report
 * @typedef {Join | { type: "offer", sdp: string } | ({ type: "capabilities" } & Capabilities) | View | Report | Publish
 *   | { type: "message", to?: string, data: unknown } | Direct | { type: "leave" }} ClientMessage
 *
 * @typedef {"optimal" | "bandwidth" | "viewport" | "device_height" | "device_decode_budget" | "device_stream_count"
 *   | "power" | "user_request" | "publisher_off" | "codec" | "priority" | "dwell" | "waiting_for_keyframe" | "startup"
 *   | "hidden" | "server_busy" | "other"} Reason
 * @typedef {{ rid?: string, width: number, height: number, fps: number, missing_bps?: number,
 *             missing_pixels_per_second?: number }} NextStep
 * @typedef {{ mid: string, participant?: string, publication?: string, rid?: string, width?: number,
 *             height?: number, fps?: number, bitrate_bps: number, reason: Reason, next?: NextStep }} SlotState
 * @typedef {{ rid?: string, active: boolean, max_bitrate_bps?: number, max_fps?: number }} EncodingDemand
 * @typedef {{ message_bytes: number, offer_bytes: number, data_bytes: number, messages_per_second: number,
 *             message_burst: number, video_slots: number, audio_slots: number, participants: number,
 *             resume_seconds: number }} Limits
 * @typedef {{ type: "joined", self: string, participants: Participant[], ice_servers: RTCIceServer[],
 *             limits: Limits, resume: string, resumed?: boolean,
 *             rights?: { publish: boolean, subscribe: boolean, administrate: boolean } }} Joined
 * @typedef {{ type: "room", joined?: Participant[], left?: string[], changed?: Participant[] }} RoomChange
 * @typedef {{ type: "slots", slots: SlotState[], estimate_bps?: number, budget_bps?: number }} Slots
 * @typedef {{ type: "demand", publication: string, mid: string, encodings: EncodingDemand[], codecs?: string[] | null }} Demand
 * @typedef {{ type: "pair", round: number, with?: string, offers?: boolean }} Pair
 * @typedef {{ type: "direct", round: number, data: unknown }} Direct
 * @typedef {{ participant: string, level: number }} Speaker
 * @typedef {{ type: "error", code: string, message: string, fatal: boolean, about?: string }} ServerError
 * @typedef {Joined | { type: "answer", sdp: string } | RoomChange | Slots | Demand
 *   | { type: "speakers", speakers: Speaker[] }
 *   | { type: "message", from: string, private?: boolean, data: unknown } | Pair | Direct
 *   | ServerError | { type: "moved", url: string }} ServerMessage
 */
