// The socket's life: joining, losing, returning, being refused, moving. The world is a list of sockets and a list of timers.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Signalling, reconnectDelay } from "../../crates/server/web/sdk/signalling.js";

class FakeSocket {
  /** @type {any[]} */
  sent = [];
  closed = false;
  onopen = () => {};
  onmessage = (/** @type {{ data: string }} */ _event) => {};
  onclose = () => {};

  /** @param {string} url */
  constructor(url) {
    this.url = url;
  }

  /** @param {string} text */
  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.closed = true;
  }

  /** @param {unknown} message */
  say(message) {
    this.onmessage({ data: typeof message === "string" ? message : JSON.stringify(message) });
  }
}

/** How long a connection may take until it has joined. */
const JOIN_PATIENCE_MS = 10_000;

function start() {
  /** @type {FakeSocket[]} */
  const sockets = [];
  /** @type {{ action: () => void, delay: number }[]} */
  const timers = [];
  /** Those that wait for a join. @type {typeof timers} */
  const patience = [];
  /** @type {[string, any][]} */
  const events = [];
  const signalling = new Signalling("first", () => ({ type: "join", room: "r", name: "n", capabilities: {} }), {
    connect: (url, protocol) => {
      assert.equal(protocol, "terrace.v1");
      const socket = new FakeSocket(url);
      sockets.push(socket);
      return /** @type {any} */ (socket);
    },
    schedule: (action, delay) => (delay === JOIN_PATIENCE_MS ? patience : timers).push({ action, delay }),
    random: () => 1,
  });
  for (const event of /** @type {const} */ (["joined", "lost", "refused", "message"])) {
    signalling.on(event, (value) => events.push([event, value]));
  }
  signalling.open();
  /** The newest socket. */
  const socket = () => sockets.at(-1) ?? assert.fail("no socket");
  /** @param {string} resume */
  const join = (resume) => {
    socket().onopen();
    socket().say({ type: "joined", self: "p1", resume });
  };
  return { signalling, sockets, socket, timers, patience, events, join };
}

test("the first message is the join, and nothing goes out before it is answered", () => {
  const { signalling, socket, join } = start();
  assert.equal(signalling.send({ type: "leave" }), false);
  join("s1");
  assert.deepEqual(socket().sent, [{ type: "join", room: "r", name: "n", capabilities: {} }]);
  assert.equal(signalling.send({ type: "offer", sdp: "x" }), true);
});

test("a lost socket is replaced with ever longer delays, and takes up where it was", () => {
  const { socket, timers, events, join, sockets } = start();
  join("s1");
  for (const delay of [200, 400, 800]) {
    socket().onclose();
    assert.equal(timers.at(-1)?.delay, delay);
    timers.at(-1)?.action();
  }
  assert.equal(sockets.length, 4);
  join("s2");
  assert.equal(socket().sent[0].resume, "s1");
  socket().onclose();
  assert.equal(timers.at(-1)?.delay, 200, "a join starts the delays anew");
  assert.deepEqual(events.map(([event]) => event), ["joined", "lost", "lost", "lost", "joined", "lost"]);
});

test("when the network returns nobody waits for a delay", () => {
  const { signalling, socket, sockets, timers, join } = start();
  join("s1");
  socket().onclose();
  signalling.hurry();
  assert.equal(sockets.length, 2);
  timers[0]?.action();
  assert.equal(sockets.length, 2, "the delay that was overtaken does nothing");
});

test("a refusal is final, a restart is not", () => {
  /** @type {[string, boolean][]} */
  const cases = [["room_full", true], ["unauthorized", true], ["replaced", true], ["removed", true], ["shutting_down", false],
    ["internal", false], ["transport_failed", false], ["too_fast", false]];
  for (const [code, final] of cases) {
    const { socket, timers, events, join } = start();
    join("s1");
    socket().say({ type: "error", code, message: "m", fatal: true });
    socket().onclose();
    assert.equal(timers.length, final ? 0 : 1, code);
    assert.equal(events.some(([event]) => event === "refused"), final, code);
  }
});

test("after a lost transport there is nothing to resume", () => {
  const { socket, timers, join } = start();
  join("s1");
  socket().say({ type: "error", code: "transport_failed", message: "m", fatal: true });
  socket().onclose();
  timers[0]?.action();
  socket().onopen();
  assert.equal("resume" in socket().sent[0], false);
});

test("a passing error is told and changes nothing", () => {
  const { socket, events, join } = start();
  join("s1");
  socket().say({ type: "error", code: "too_fast", message: "m", fatal: false });
  assert.equal(events.at(-1)?.[0], "message");
  assert.equal(socket().closed, false);
});

test("a server that moves is followed at once, with the same secret", () => {
  const { sockets, socket, timers, join } = start();
  join("s1");
  socket().say({ type: "moved", url: "second" });
  assert.equal(sockets[0]?.closed, true);
  assert.equal(timers.length, 0);
  assert.equal(socket().url, "second");
  socket().onopen();
  assert.equal(socket().sent[0].resume, "s1");
});

test("what is not JSON is not a message", () => {
  const { socket, events, join } = start();
  join("s1");
  socket().say("{");
  assert.deepEqual(events.map(([event]) => event), ["joined"]);
});

test("a late word of a former socket is not heard", () => {
  const { sockets, socket, events, join, signalling } = start();
  join("s1");
  const former = sockets[0];
  signalling.startAnew();
  former?.say({ type: "speakers", speakers: [] });
  former?.onclose();
  assert.deepEqual(events.map(([event]) => event), ["joined"]);
  socket().onopen();
  assert.equal("resume" in socket().sent[0], false, "starting anew forgets the secret");
  assert.deepEqual(former?.sent.at(-1), { type: "leave" }, "and leaves no ghost behind");
});

test("leaving is said and is for good", () => {
  const { signalling, socket, timers, join } = start();
  join("s1");
  signalling.close();
  assert.deepEqual(socket().sent.at(-1), { type: "leave" });
  socket().onclose();
  assert.equal(timers.length, 0);
});

test("a server that does not answer is left for another try, and one that answered is not", () => {
  const { sockets, patience, timers, join } = start();
  patience[0]?.action();
  assert.equal(sockets[0]?.closed, true);
  assert.equal(timers.length, 1);
  timers[0]?.action();
  join("s1");
  patience[1]?.action();
  assert.equal(sockets[1]?.closed, false);
  sockets[0]?.onclose();
  assert.equal(timers.length, 1, "the former socket's end is no news");
});

test("delays are spread between half and whole; a restarted server is met within two seconds, a dead one is left alone", () => {
  const attempts = [1, 2, 3, 4, 5, 20, 21, 1000];
  assert.deepEqual(attempts.map((attempt) => reconnectDelay(attempt, 0)), [100, 200, 400, 800, 1000, 1000, 4000, 4000]);
  assert.deepEqual(attempts.map((attempt) => reconnectDelay(attempt, 1)), [200, 400, 800, 1600, 2000, 2000, 8000, 8000]);
});

test("a data channel carries what is for others, and while the socket is lost whatever it can", () => {
  const { signalling, sockets, events } = start();
  const [socket] = sockets;
  assert.ok(socket);
  socket.onopen();
  socket.say({ type: "joined", resume: "secret" });
  /** @type {any[]} */
  const heard = [];
  let full = false;
  const channel = {
    readyState: "connecting",
    onmessage: (/** @type {{ data: string }} */ _event) => {},
    send: (/** @type {string} */ text) => {
      if (full) throw new Error("full");
      heard.push(JSON.parse(text).type);
    },
  };
  signalling.attach(/** @type {any} */ (channel));
  const all = /** @type {any[]} */ (["message", "report", "view", "capabilities", "publish", "direct", "offer"]);
  const send = () => all.map((type) => signalling.send(/** @type {any} */ ({ type })));
  const ways = () => [heard.splice(0), socket.sent.splice(0).map(({ type }) => type)];

  socket.sent = [];
  assert.deepEqual([send(), ...ways()], [all.map(() => true), [], all], "not open yet");
  channel.readyState = "open";
  assert.deepEqual([send(), ...ways()], [all.map(() => true), ["message", "report"], all.slice(2)], "open");
  full = true;
  assert.deepEqual([send(), ...ways()], [all.map(() => true), [], all], "full");
  full = false;
  socket.onclose();
  assert.deepEqual([send(), ...ways()], [all.map((type) => type !== "offer"), all.slice(0, -1), []], "lost socket");
  channel.onmessage({ data: '{"type":"speakers"}' });
  assert.deepEqual(events.at(-1), ["message", { type: "speakers" }]);
  signalling.startAnew();
  channel.onmessage({ data: '{"type":"speakers"}' });
  assert.equal(signalling.send(/** @type {any} */ ({ type: "message" })), false, "a former participant's channel is nobody's");
  assert.equal(events.filter(([kind]) => kind === "message").length, 1);
});
