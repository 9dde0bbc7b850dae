// What can be seen to be wrong with a page for people who do not see it, see little, or use no mouse: controls without a name,
// text without contrast, focus that jumps. Judges what is laid out and computed, not the style sheet. Run as a script; `audit()`
// returns complaints.

function audit() {
  const seen = (element) => element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true }) && element.getClientRects().length > 0;
  const describe = (element) => element.cloneNode(false).outerHTML.slice(0, 120);
  const complaints = [];

  const nameOf = (element) => {
    const named = (element.getAttribute("aria-labelledby") ?? "").split(" ").map((id) => document.getElementById(id)?.textContent ?? "").join("");
    const labels = [...element.labels ?? []].map((label) => label.textContent).join("");
    const own = element.matches("input, select, meter, video, canvas") ? "" : element.textContent;
    return (element.getAttribute("aria-label") || named || labels || own || element.title || "").trim();
  };
  // What is behind an open dialog is not to be reached.
  const top = document.querySelector("dialog[open]") ?? document.body;
  const controls = [...top.querySelectorAll("button, input, select, textarea, a[href], meter, canvas, [role=img], [tabindex], dialog, aside, nav, article, main section")];
  for (const control of controls.filter(seen)) if (!nameOf(control)) complaints.push(`no name: ${describe(control)}`);
  for (const element of top.querySelectorAll("[tabindex]")) if (element.tabIndex > 0) complaints.push(`jumps the queue: ${describe(element)}`);
  for (const image of top.querySelectorAll("svg")) {
    if (seen(image) && !image.closest("[aria-hidden=true], [role=img]")) complaints.push(`a drawing that is read out: ${describe(image)}`);
  }
  const ids = [...document.querySelectorAll("[id]")].map(({ id }) => id);
  for (const id of ids.filter((one, at) => ids.indexOf(one) !== at)) complaints.push(`twice the same id: ${id}`);
  if (!document.documentElement.lang || !document.title) complaints.push("a page without language or title");

  const painter = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    painter.clearRect(0, 0, 1, 1);
    painter.fillStyle = colour;
    painter.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = painter.getImageData(0, 0, 1, 1).data;
    return { r, g, b, a: a / 255 };
  };
  const over = (front, back) => {
    const mix = (channel) => front[channel] * front.a + back[channel] * (1 - front.a);
    return { r: mix("r"), g: mix("g"), b: mix("b"), a: 1 };
  };
  const luminance = ({ r, g, b }) => [r, g, b].map((value) => value / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, at) => sum + value * [0.2126, 0.7152, 0.0722][at], 0);
  const contrast = (one, other) => {
    const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
    return (light + 0.05) / (dark + 0.05);
  };
  /** What is behind an element: the colours of its ancestors; a picture can be anything, so black and white are tried. */
  const behind = (element) => {
    const layers = [];
    let pictures = false;
    for (let at = element; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour.a > 0) layers.push(colour);
      if (colour.a === 1) break;
      const video = at.querySelector(":scope > video");
      if (video && seen(video)) { pictures = true; break; }
    }
    const grounds = pictures ? ["#000", "#fff"] : [getComputedStyle(document.body).backgroundColor];
    return grounds.map((ground) => layers.reduceRight((back, front) => over(front, back), rgba(ground)));
  };
  const walker = document.createTreeWalker(top, NodeFilter.SHOW_TEXT);
  const judged = new Set();
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || judged.has(element) || !seen(element) || element.closest("option, noscript, .unseen")) continue;
    judged.add(element);
    const { color, fontSize, fontWeight } = getComputedStyle(element);
    const size = parseFloat(fontSize);
    const least = size >= 24 || (size >= 18.66 && Number(fontWeight) >= 700) ? 3 : 4.5;
    const ratio = Math.min(...behind(element).map((back) => contrast(over(rgba(color), back), back)));
    if (ratio < least) complaints.push(`contrast ${ratio.toFixed(2)} of “${element.textContent.trim().slice(0, 40)}” in ${describe(element)}`);
  }
  return complaints;
}
