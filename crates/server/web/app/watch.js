// The operator's page: asks for the token, then looks at every room again and again, and shows what it sees.

import { decisions } from "../sdk/decisions.js";
import { h } from "./ui/dom.js";
import { OperatorScreen } from "./ui/operator.js";

/** @import { Past, Row, ServerState, WatchedRoom } from "./operator.js" */

const LOOK_EVERY_MS = 1000;
/** Rooms that are looked into; of further ones only their names are asked for. */
const MOST_ROOMS = 40;
const KEY = "terrace.operator";
const page = document.getElementById("page") ?? document.body;

/** What the interface answered instead of what was asked. */
class Refused extends Error {
  /** @param {number} status @param {string} message */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/**
 * One request to the interface.
 * @param {string} token
 * @param {string} path  below /api/v1
 * @param {string} [method]
 * @param {object} [body]
 */
async function ask(token, path, method = "GET", body) {
  const answer = await fetch(`/api/v1/${path}`, { method, cache: "no-store", headers: { authorization: `Bearer ${token}` },
    ...(body ? { body: JSON.stringify(body) } : {}) });
  if (answer.ok) return answer.status === 204 ? undefined : answer.json();
  const { message } = await answer.json().catch(() => ({ message: undefined }));
  throw new Refused(answer.status, message ?? (answer.status === 404 ? "This server has no operator's interface." : `The server answers ${answer.status}.`));
}

/** @param {string} [complaint] */
function askForToken(complaint) {
  const field = h("input", { type: "password", id: "token", required: true, autocomplete: "off", spellcheck: false });
  page.replaceChildren(h("main", {}, h("form", { class: "token", on: { submit: (/** @type {Event} */ event) => {
    event.preventDefault();
    void watch(field.value.trim());
  } } },
  h("h1", {}, "Operator"), h("label", { htmlFor: "token" }, "Token with the right to administrate"), field,
  complaint && h("p", { class: "bar", role: "alert" }, complaint),
  h("button", { type: "submit", class: "primary" }, "Watch"))));
  field.focus();
}

/** @param {string} token */
async function watch(token) {
  const one = (/** @type {Row} */ { room, id }) => `rooms/${encodeURIComponent(room)}/participants/${encodeURIComponent(id)}`;
  const screen = new OperatorScreen({
    remove: (row) => ask(token, one(row), "DELETE"),
    mute: (row, muted) => ask(token, one(row), "PATCH", { muted }),
    drain: (draining) => ask(token, "server", "PATCH", { draining }),
    decisions: (row, signal, heard) => decisions(`/api/v1/${one(row)}/decisions?seconds=3600`, token, signal, heard),
  });
  let shown = false;
  const look = async () => {
    try {
      const rooms = await allRooms(token, screen);
      if (!shown) {
        shown = true;
        sessionStorage.setItem(KEY, token);
        page.replaceChildren(screen.element);
      }
      screen.show(Date.now(), rooms, await wholeServer(token));
    } catch (error) {
      const refused = error instanceof Refused;
      if (refused && (error.status === 401 || error.status === 403 || !shown)) {
        sessionStorage.removeItem(KEY);
        return askForToken(error.message);
      }
      if (!shown) return askForToken("The server does not answer.");
      screen.say(refused ? error.message : "The server does not answer. Trying again by itself.", true);
    }
    setTimeout(look, LOOK_EVERY_MS);
  };
  await look();
}

/** The server, for whoever may see all of it. @param {string} token @returns {Promise<ServerState | undefined>} */
async function wholeServer(token) {
  try {
    return await ask(token, "server");
  } catch (error) {
    if (error instanceof Refused && error.status === 403) return undefined;
    throw error;
  }
}

/** @param {string} token @param {OperatorScreen} screen @returns {Promise<WatchedRoom[]>} */
async function allRooms(token, screen) {
  /** @type {{ rooms: { name: string }[] }} */
  const { rooms } = await ask(token, "rooms");
  const looks = rooms.slice(0, MOST_ROOMS).map(async ({ name }) => {
    const path = `rooms/${encodeURIComponent(name)}`;
    try {
      if (screen.watch.isNew(name)) {
        /** @type {{ participants: Past[] }} */
        const { participants } = await ask(token, `${path}/history`);
        screen.watch.recall(name, participants);
      }
      return /** @type {WatchedRoom} */ (await ask(token, path));
    } catch (error) {
      // A room ends with its last participant, perhaps between two requests.
      if (error instanceof Refused && error.status === 404) return undefined;
      throw error;
    }
  });
  return (await Promise.all(looks)).filter((room) => room !== undefined);
}

// A link may bring the token behind the #, which browsers send to nobody; it does not stay in the address.
const given = new URLSearchParams(location.hash.slice(1)).get("token");
if (given) history.replaceState(null, "", location.pathname);
const known = given ?? sessionStorage.getItem(KEY);
if (known) void watch(known);
else askForToken();
