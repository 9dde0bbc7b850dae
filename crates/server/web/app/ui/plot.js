// A time axis on one canvas: estimate and budget as lines, what is sent as areas by slot, and a band per slot for its
// encoding. Hover, tap or arrow keys read out a moment. The same for one's own drawer and the operator's page.

import { rateWords, wordsFor } from "../../sdk/reasons.js";
import { bands, lanes, largest, moments, sampleAt, scale, stacked } from "../timeline.js";
import { h } from "./dom.js";

/** @import { Sample } from "../../sdk/history.js" */

const MOST_LANES = 8;
const LEFT = 68;
const TOP = 10;
const CHART = 150;
const AXIS = 22;
const LANE = 26;
const RIGHT = 8;

export class Plot {
  element;
  #canvas;
  #readout = h("div", { class: "readout", role: "status" });
  #legend = h("ul", { class: "legend" });
  #longest;
  /** @type {readonly Sample[]} */
  #samples = [];
  /** The moment that is read out; undefined for the newest. @type {number | undefined} */
  #moment;

  /** @param {number} longest  milliseconds from edge to edge at most @param {string} label */
  constructor(longest, label) {
    this.#longest = longest;
    this.#canvas = h("canvas", { class: "plot", tabIndex: 0, role: "img", "aria-label": label, on: {
      pointermove: (/** @type {PointerEvent} */ event) => this.#point(event),
      pointerdown: (/** @type {PointerEvent} */ event) => this.#point(event),
      pointerleave: (/** @type {PointerEvent} */ event) => { if (event.pointerType === "mouse") this.#read(undefined); },
      keydown: (/** @type {KeyboardEvent} */ event) => this.#key(event),
    } });
    this.element = h("figure", { class: "timeline" }, this.#canvas, this.#legend, this.#readout);
  }

  /** From edge to edge: what began a minute ago is not drawn at the edge of ten. */
  get #span() {
    const [first, last] = [this.#samples[0]?.at ?? 0, this.#samples.at(-1)?.at ?? 0];
    return [120_000, 300_000].find((span) => span < this.#longest && last - first <= span) ?? this.#longest;
  }

  /** @param {readonly Sample[]} samples */
  show(samples) {
    this.#samples = samples;
    this.#draw();
    this.#tell();
  }

  /** @param {PointerEvent} event */
  #point(event) {
    const { left, width } = this.#canvas.getBoundingClientRect();
    const end = this.#samples.at(-1)?.at ?? 0;
    const share = (event.clientX - left - LEFT) / (width - LEFT - RIGHT);
    this.#read(end - (1 - Math.min(Math.max(share, 0), 1)) * this.#span);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const steps = /** @type {Record<string, number>} */ ({ ArrowLeft: -1000, ArrowRight: 1000, Home: -this.#span });
    const end = this.#samples.at(-1)?.at ?? 0;
    if (event.key === "End" || event.key === "Escape") this.#read(undefined);
    else if (steps[event.key] === undefined) return;
    else this.#read(Math.min((this.#moment ?? end) + (steps[event.key] ?? 0), end));
    event.preventDefault();
  }

  /** @param {number | undefined} moment */
  #read(moment) {
    this.#moment = moment;
    this.#draw();
    this.#tell();
  }

  /** The moment in words. */
  #tell() {
    const end = this.#samples.at(-1);
    const sample = this.#moment === undefined ? end : sampleAt(this.#samples, this.#moment);
    if (!sample || !end) return this.#readout.replaceChildren("Nothing measured yet.");
    const ago = Math.round((end.at - sample.at) / 1000);
    const link = [ago === 0 ? "Now" : `${ago} s ago`,
      ...(sample.estimate ? [`link ${rateWords(sample.estimate)}`] : []),
      ...(sample.budget ? [`for pictures ${rateWords(sample.budget)}`] : [])].join(" · ");
    const rows = [...sample.slots.values()].map(({ label, height, fps, bps, reason, freezes, lost }) => h("li", {},
      h("b", {}, label), [
        ` ${height ? `${height}p, ${fps} fps, ${rateWords(bps)}` : "nothing"} – ${wordsFor(reason).short}`,
        ...(freezes ? ["stood still"] : []),
        ...(lost ? [`${lost} packets lost`] : []),
      ].join(", ")));
    this.#readout.replaceChildren(h("p", {}, link), h("ul", {}, ...rows));
  }

  #draw() {
    const samples = this.#samples;
    const labels = lanes(samples, MOST_LANES);
    const height = TOP + CHART + AXIS + labels.length * LANE;
    const width = this.#canvas.clientWidth || 320;
    const ratio = Math.min(devicePixelRatio, 3);
    this.#canvas.style.height = `${height}px`;
    // Setting either clears the canvas, which is wanted.
    this.#canvas.width = Math.round(width * ratio);
    this.#canvas.height = Math.round(height * ratio);
    const context = this.#canvas.getContext("2d");
    if (!context) return;
    context.scale(ratio, ratio);
    const end = samples.at(-1)?.at ?? 0;
    const { top, steps } = scale(largest(samples, labels));
    const style = getComputedStyle(this.#canvas);
    const painter = new Painter(context, (name) => style.getPropertyValue(name).trim(),
      (at) => LEFT + (1 - (end - at) / this.#span) * (width - LEFT - RIGHT),
      (rate) => TOP + CHART * (1 - Math.min(rate / top, 1)));
    painter.grid(width, steps, this.#span, end);
    painter.areas(samples, labels);
    painter.line(samples, ({ budget }) => budget, "--plot-budget", [4, 3]);
    painter.line(samples, ({ estimate }) => estimate, "--plot-estimate", []);
    labels.forEach((label, index) => painter.lane(samples, label, index));
    if (this.#moment !== undefined) painter.cursor(this.#moment, height);
    this.#nameColours(labels);
  }

  /** @param {readonly string[]} labels */
  #nameColours(labels) {
    const names = ["link", "for pictures", ...labels];
    if (this.#legend.children.length === names.length && names.every((name, at) => this.#legend.children[at]?.textContent === name)) return;
    this.#legend.replaceChildren(...names.map((name, at) =>
      h("li", { data: { colour: at === 0 ? "estimate" : at === 1 ? "budget" : String((at - 2) % MOST_LANES) } }, h("i", {}), name)));
  }
}

/** Puts things of one drawing onto the canvas, in units of time and rate. */
class Painter {
  #context;
  #colour;
  #x;
  #y;

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {(name: string) => string} colour
   * @param {(at: number) => number} x
   * @param {(rate: number) => number} y
   */
  constructor(context, colour, x, y) {
    this.#context = context;
    this.#colour = colour;
    this.#x = x;
    this.#y = y;
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "middle";
  }

  /** @param {number} width @param {readonly number[]} steps @param {number} span @param {number} end */
  grid(width, steps, span, end) {
    const context = this.#context;
    context.strokeStyle = this.#colour("--line");
    context.fillStyle = this.#colour("--soft");
    context.lineWidth = 1;
    context.textAlign = "right";
    for (const step of steps) {
      const y = Math.round(this.#y(step)) + 0.5;
      this.#path([[LEFT, y], [width - RIGHT, y]]);
      context.fillText(step === 0 ? "0" : rateWords(step).replace(".0", ""), LEFT - 6, y);
    }
    const minutes = span > 120_000;
    const every = span > 300_000 ? 120_000 : minutes ? 60_000 : 30_000;
    for (let ago = 0; ago <= span; ago += every) {
      context.textAlign = ago === 0 ? "right" : ago === span ? "left" : "center";
      const words = ago === 0 ? "now" : minutes ? `−${ago / 60_000} min` : `−${ago / 1000} s`;
      context.fillText(words, this.#x(end - ago), TOP + CHART + AXIS / 2);
    }
  }

  /** @param {readonly Sample[]} samples @param {readonly string[]} labels */
  areas(samples, labels) {
    const edges = stacked(samples, labels);
    this.#clip(() => {
      for (let lane = labels.length - 1; lane >= 0; lane--) {
        const upper = samples.map(({ at }, index) => /** @type {[number, number]} */ ([this.#x(at), this.#y(edges[index]?.[lane] ?? 0)]));
        const lower = samples.map(({ at }, index) => /** @type {[number, number]} */ ([this.#x(at), this.#y(edges[index]?.[lane - 1] ?? 0)]));
        this.#context.fillStyle = this.#colour(`--lane-${lane % MOST_LANES}`);
        this.#context.globalAlpha = 0.75;
        this.#path([...upper, ...lower.reverse()], "fill");
      }
      this.#context.globalAlpha = 1;
    });
  }

  /** @param {readonly Sample[]} samples @param {(sample: Sample) => number | undefined} value @param {string} colour @param {number[]} dashes */
  line(samples, value, colour, dashes) {
    const points = samples.flatMap((sample) => {
      const rate = value(sample);
      return rate === undefined ? [] : [/** @type {[number, number]} */ ([this.#x(sample.at), this.#y(rate)])];
    });
    this.#clip(() => {
      this.#context.strokeStyle = this.#colour(colour);
      this.#context.lineWidth = 2;
      this.#context.setLineDash(dashes);
      this.#path(points);
      this.#context.setLineDash([]);
    });
  }

  /** A band: the higher the picture the fuller it is; the edge below says how good that is for its place. @param {readonly Sample[]} samples @param {string} label @param {number} index */
  lane(samples, label, index) {
    const context = this.#context;
    const top = TOP + CHART + AXIS + index * LANE;
    const inner = LANE - 6;
    context.fillStyle = this.#colour("--ink");
    context.textAlign = "right";
    context.fillText(shortened(context, label, LEFT - 10), LEFT - 6, top + inner / 2);
    this.#clip(() => {
      for (const { from, to, shown } of bands(samples, label)) {
        const [left, right] = [this.#x(from), Math.max(this.#x(to), this.#x(from) + 1)];
        const share = shown.height === 0 ? 0 : Math.min(Math.max(Math.log2(shown.height / 90) / 4, 0.25), 1);
        context.globalAlpha = 0.18;
        context.fillStyle = this.#colour(`--lane-${index % MOST_LANES}`);
        context.fillRect(left, top, right - left, inner - 3);
        context.globalAlpha = 0.85;
        context.fillRect(left, top + (inner - 3) * (1 - share), right - left, (inner - 3) * share);
        context.globalAlpha = 1;
        context.fillStyle = this.#colour(shown.height === 0 ? "--soft" : wordsFor(shown.reason).grade === "limited" ? "--limited" : "--full");
        context.fillRect(left, top + inner - 2, right - left, 3);
        const word = shown.height ? `${shown.height}p` : "";
        if (right - left > context.measureText(word).width + 10) {
          context.textAlign = "left";
          context.fillStyle = this.#colour("--ink");
          context.fillText(word, left + 5, top + inner / 2 - 1);
        }
      }
      context.strokeStyle = this.#colour("--danger");
      context.lineWidth = 2;
      for (const at of moments(samples, label, "freezes")) this.#path([[this.#x(at), top - 1], [this.#x(at), top + inner]]);
      context.fillStyle = this.#colour("--danger");
      for (const at of moments(samples, label, "lost")) context.fillRect(this.#x(at) - 1.5, top + inner - 6, 3, 3);
      context.fillStyle = this.#colour("--ink");
      for (const at of moments(samples, label, "keyframes")) this.#path([[this.#x(at) - 3, top], [this.#x(at) + 3, top], [this.#x(at), top + 4]], "fill");
    });
  }

  /** @param {number} at @param {number} height */
  cursor(at, height) {
    this.#context.strokeStyle = this.#colour("--ink");
    this.#context.lineWidth = 1;
    this.#path([[this.#x(at), TOP], [this.#x(at), height]]);
  }

  /** Nothing is drawn over the names at the left. @param {() => void} draw */
  #clip(draw) {
    this.#context.save();
    this.#context.beginPath();
    this.#context.rect(LEFT, 0, this.#context.canvas.width, this.#context.canvas.height);
    this.#context.clip();
    draw();
    this.#context.restore();
  }

  /** @param {readonly (readonly [number, number])[]} points @param {"stroke" | "fill"} how */
  #path(points, how = "stroke") {
    if (points.length === 0) return;
    this.#context.beginPath();
    for (const [x, y] of points) this.#context.lineTo(x, y);
    if (how === "fill") this.#context.fill();
    else this.#context.stroke();
  }
}

/** @param {CanvasRenderingContext2D} context @param {string} text @param {number} width */
function shortened(context, text, width) {
  if (context.measureText(text).width <= width) return text;
  let kept = text;
  while (kept.length > 1 && context.measureText(`${kept}…`).width > width) kept = kept.slice(0, -1);
  return `${kept}…`;
}
