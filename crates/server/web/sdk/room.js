// What a client knows of its room, as a value: each message of the server makes the next one. No sockets, no page.

/** @import { Participant, SlotState, Speaker, ServerMessage, Publication } from "./messages.js" */

/**
 * @typedef {object} Room
 * @property {string} self  this client's participant; empty before `joined`
 * @property {ReadonlyMap<string, Participant>} participants  everybody else, in the order of their arrival
 * @property {ReadonlyMap<string, SlotState>} slots  by MID; a slot that never showed anything is missing
 * @property {readonly Speaker[]} speakers  loudest first
 * @property {number} [estimate]  what the link to this client is believed to carry in all, in bit/s, once it is known
 * @property {number} [budget]  what of it may be spent on pictures
 */

/** @returns {Room} */
export function emptyRoom() {
  return { self: "", participants: new Map(), slots: new Map(), speakers: [] };
}

/**
 * The room after a message. A message that says nothing about the room gives the very same value back.
 * @param {Room} room
 * @param {ServerMessage} message
 * @returns {Room}
 */
export function reduce(room, message) {
  switch (message.type) {
    case "joined": {
      const participants = new Map(message.participants.map((participant) => [participant.id, participant]));
      // A resumed participant keeps its slots; a fresh one has new sections, whose MIDs mean other slots.
      const slots = message.resumed ? room.slots : new Map();
      return { self: message.self, participants, slots, speakers: message.resumed ? room.speakers : [] };
    }
    case "room": {
      const participants = new Map(room.participants);
      for (const id of message.left ?? []) participants.delete(id);
      for (const participant of [...(message.joined ?? []), ...(message.changed ?? [])]) {
        // The own participant is told to others in the same words; it is never one of the others.
        if (participant.id !== room.self) participants.set(participant.id, participant);
      }
      return { ...room, participants };
    }
    case "slots": {
      const slots = new Map(room.slots);
      for (const slot of message.slots) slots.set(slot.mid, slot);
      const { estimate_bps: estimate, budget_bps: budget } = message;
      return { ...room, slots, ...(estimate ? { estimate } : {}), ...(budget ? { budget } : {}) };
    }
    case "speakers":
      return { ...room, speakers: message.speakers };
    default:
      return room;
  }
}

/**
 * A participant's camera, on or off; nothing when it has none.
 * @param {Participant} participant
 * @returns {Publication | undefined}
 */
export function cameraOf(participant) {
  return (participant.publications ?? []).find(({ kind, source }) => kind === "video" && source === "camera");
}

/**
 * The screen that a participant shares at the moment.
 * @param {Participant} participant
 * @returns {Publication | undefined}
 */
export function screenOf(participant) {
  return (participant.publications ?? []).find(({ kind, source, muted }) => kind === "video" && source === "screen" && !muted);
}

/**
 * Whether nothing can be heard of a participant: no microphone, or a muted one.
 * @param {Participant} participant
 */
export function isSilent(participant) {
  const sounds = (participant.publications ?? []).filter((publication) => publication.source === "microphone");
  return sounds.every((sound) => sound.muted);
}

/**
 * The slot that shows a publication.
 * @param {Room} room
 * @param {string | undefined} publication
 */
export function slotOf(room, publication) {
  if (publication === undefined) return undefined;
  for (const slot of room.slots.values()) if (slot.publication === publication) return slot;
  return undefined;
}

/**
 * The speaker to show large: who speaks loudest now, else whoever was shown before, else the first with a picture.
 * @param {Room} room
 * @param {string | undefined} before
 */
export function stageSpeaker(room, before) {
  const loudest = room.speakers.find((speaker) => room.participants.has(speaker.participant));
  if (loudest) return loudest.participant;
  if (before !== undefined && room.participants.has(before)) return before;
  const all = [...room.participants.values()];
  return (all.find((participant) => cameraOf(participant)?.muted === false) ?? all[0])?.id;
}
