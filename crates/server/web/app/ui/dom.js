// Builds elements without markup in strings: text stays text, whatever a participant calls itself.

/** @typedef {Node | string | false | null | undefined} Child */

/**
 * An element. `on` holds listeners; `data`, `class` and `aria-*` are attributes; everything else that the element has as
 * a property is set as one.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, any>} [properties]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === false) continue;
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (name === "data") {
      Object.assign(element.dataset, value);
    } else if (name !== "list" && name in element) {
      /** @type {any} */ (element)[name] = value;
    } else {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  element.append(...children.filter((child) => child !== false && child !== null && child !== undefined));
  return element;
}

/** Line drawings on a field of 24 by 24; several strokes per name. */
const STROKES = {
  mic: ["M9 5a3 3 0 0 1 6 0v6a3 3 0 0 1-6 0z", "M5 11a7 7 0 0 0 14 0", "M12 18v3"],
  "mic-off": ["M15 10V5a3 3 0 0 0-5.7-1.3", "M9 9v2a3 3 0 0 0 4.6 2.5", "M5 11a7 7 0 0 0 11.3 5.5M19 11c0 1-.2 2-.6 2.9",
    "M12 18v3", "M4 4l16 16"],
  camera: ["M3 8a2 2 0 0 1 2-2h8a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2z", "M15 10.5 21 7v10l-6-3.5"],
  "camera-off": ["M10 6h3a2 2 0 0 1 2 2v3", "M15 15v1a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2V8a2 2 0 0 1 1.2-1.8",
    "M16 11 21 7v10l-2-1.2", "M4 4l16 16"],
  leave: ["M2.5 15.5c-.5-5 4.5-7.5 9.5-7.5s10 2.5 9.5 7.5c-.1.8-.8 1.2-1.5 1l-3.2-.8a1.3 1.3 0 0 1-1-1.1l-.3-2.2a12 12 0 0 0-7 0l-.3 2.2a1.3 1.3 0 0 1-1 1.1l-3.2.8c-.7.2-1.4-.2-1.5-1z"],
  grid: ["M4 5h7v6H4zM13 5h7v6h-7zM4 13h7v6H4zM13 13h7v6h-7z"],
  stage: ["M4 5h11v14H4z", "M18 5h2v4h-2zM18 11h2v4h-2zM18 17h2v2h-2z"],
  link: ["M10 14a4 4 0 0 0 6 .4l2.6-2.6a4 4 0 0 0-5.7-5.7L11.5 7.5", "M14 10a4 4 0 0 0-6-.4l-2.6 2.6a4 4 0 0 0 5.7 5.7l1.4-1.4"],
  help: ["M9.2 9a2.9 2.9 0 0 1 5.6 1c0 2-2.8 2.5-2.8 4", "M12 17.5v.1", "M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18z"],
  screen: ["M3 5h18v11H3z", "M9 20h6M12 16v4", "M12 13V8.5M9.5 10.5 12 8l2.5 2.5"],
  chat: ["M4 5h16v11H10l-4.5 4v-4H4z", "M8 9h8M8 12h5"],
  inside: ["M4 4v16h16", "M7 15l3.5-4 3 2.5L20 7"],
  gear: ["M4 7h9M17 7h3M4 17h3M11 17h9", "M15 5v4M9 15v4"],
  more: ["M5 12a.9.9 0 1 0 1.8 0A.9.9 0 1 0 5 12z", "M11.1 12a.9.9 0 1 0 1.8 0 .9.9 0 1 0-1.8 0z", "M17.2 12a.9.9 0 1 0 1.8 0 .9.9 0 1 0-1.8 0z"],
  close: ["M6 6l12 12M18 6 6 18"],
  pin: ["M9 4h6l-.7 6 2.7 3H7l2.7-3z", "M12 13v7"],
  warning: ["M12 4 3 19h18z", "M12 10v4.5", "M12 17v.1"],
};
/** @typedef {keyof typeof STROKES} Icon */

/**
 * A drawing that screen readers skip: the control it is in has the words.
 * @param {Icon} name
 */
export function icon(name) {
  const namespace = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(namespace, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.classList.add("icon");
  for (const stroke of STROKES[name]) {
    const path = document.createElementNS(namespace, "path");
    path.setAttribute("d", stroke);
    svg.append(path);
  }
  return svg;
}

/** The mark: three steps, as of a terrace and of encodings. */
export function mark() {
  const namespace = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(namespace, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.classList.add("mark");
  for (const [x, y] of [[3, 15], [9, 10], [15, 5]]) {
    const step = document.createElementNS(namespace, "rect");
    for (const [name, value] of Object.entries({ x, y, width: 6, height: 20 - Number(y), rx: 1.2 })) {
      step.setAttribute(name, String(value));
    }
    svg.append(step);
  }
  return svg;
}

/**
 * Dark squares on a light ground, with the quiet margin that readers of QR codes need (ISO/IEC 18004 §5.3.8).
 * @param {boolean[][]} rows
 */
export function squares(rows) {
  const namespace = "http://www.w3.org/2000/svg";
  const margin = 4;
  const svg = document.createElementNS(namespace, "svg");
  svg.setAttribute("viewBox", `0 0 ${rows.length + 2 * margin} ${rows.length + 2 * margin}`);
  const path = document.createElementNS(namespace, "path");
  path.setAttribute("d", rows.flatMap((row, y) =>
    row.map((dark, x) => (dark ? `M${x + margin} ${y + margin}h1v1h-1z` : ""))).join(""));
  svg.append(path);
  return svg;
}

/**
 * A round button with a drawing and a name.
 * @param {Icon} drawing
 * @param {string} label
 * @param {() => void} click
 * @param {Record<string, any>} [properties]
 */
export function iconButton(drawing, label, click, properties = {}) {
  return h("button", { type: "button", class: "round", title: label, "aria-label": label, on: { click }, ...properties },
    icon(drawing));
}

/** Puts another drawing and name on such a button. @param {HTMLButtonElement} button @param {Icon} drawing @param {string} label */
export function relabel(button, drawing, label) {
  if (button.title === label) return;
  button.title = label;
  button.setAttribute("aria-label", label);
  button.replaceChildren(icon(drawing));
}

/** Sets text only when it differs: a screen reader announces every change. @param {HTMLElement} element @param {string} text */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
