// What all explorers draw with: elements, canvases, axes, pointers, keys.

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

const button = (text, onclick, title) =>
  element("button", { type: "button", onclick, title }, text);

function slider(label, { min, max, step, value }, show, act) {
  const output = element("output", {}, show(value));
  const oninput = () => {
    output.textContent = show(input.valueAsNumber);
    act(input.valueAsNumber);
  };
  const input = element("input",
    { type: "range", min, max, step, value, oninput });
  const made = element("label", { class: "slider" },
    element("span", {}, label), input, output);
  made.set = (v) => { input.value = v; output.textContent = show(v); };
  return made;
}

let groups = 0;
function choices(legend, names, act) {
  const name = `live-choice-${groups++}`;
  const options = names.map((text, i) => element("label", {},
    element("input", { type: "radio", name, value: i,
      ...(i ? {} : { checked: "" }), onchange: () => act(i) }),
    element("span", {}, text)));
  const made = element("fieldset", {},
    element("legend", {}, legend), ...options);
  made.set = (i) => { options[i].firstChild.checked = true; };
  return made;
}

// A row of a table: cells of kind "td" after a heading, or all "th".
const row = (tag, ...cells) => element("tr", {}, ...cells.map((text, i) =>
  element(i ? tag : "th", { scope: tag === "th" ? "col" : i ? undefined
    : "row" }, text)));

const signed = (v, digits = 2) => v.toFixed(digits).replace("-", "\u2212");
const place = (z) => `(${signed(z[0])}, ${signed(z[1])})`;
const clamp = (v, low, high) => Math.min(Math.max(v, low), high);
// Long work lets the page live every eight milliseconds, and what nobody
// waits for stops while something is dragged.
let begun = 0, dragged = -Infinity;
async function calm() {
  while (performance.now() - dragged < 400) {
    await new Promise((go) => setTimeout(go, 100));
  }
}

async function pause() {
  if (performance.now() - begun < 8) return;
  await new Promise((go) => setTimeout(go));
  begun = performance.now();
}

// The colours of live.css as the browser resolves them in either scheme,
// which the figure's own colour tells.
const palettes = {};
function colours(figure) {
  palettes[getComputedStyle(figure).color] ??= resolved(figure);
  return palettes[getComputedStyle(figure).color];
}

function resolved(figure) {
  const probe = element("span");
  figure.append(probe);
  const names = ["ink", "soft", "line", "paper", "blue", "orange", "green",
    ...Array.from({ length: 10 }, (_, d) => `digit-${d}`)];
  const found = Object.fromEntries(names.map((name) => {
    probe.style.color = `var(--live-${name})`;
    return [name, getComputedStyle(probe).color];
  }));
  probe.remove();
  return found;
}

const rgb = (colour) => colour.match(/[\d.]+/g).slice(0, 3).map(Number);

// A mixture of two colours, all of the second at share 1.
function mix(from, to, share) {
  const a = rgb(from), b = rgb(to);
  return `rgb(${a.map((v, i) => Math.round(v + share * (b[i] - v)))})`;
}

const SIDE = 28;
const brush = element("canvas", { width: SIDE, height: SIDE });

// 784 values in [0, 1] as an image: ink on paper in the scheme's colours.
function stamp(g, values, x, y, size, palette) {
  const paper = rgb(palette.paper), ink = rgb(palette.ink);
  const pen = brush.getContext("2d");
  const image = pen.createImageData(SIDE, SIDE);
  for (let i = 0; i < values.length; i++) {
    for (let c = 0; c < 3; c++) {
      image.data[4 * i + c] = paper[c] + values[i] * (ink[c] - paper[c]);
    }
    image.data[4 * i + 3] = 255;
  }
  pen.putImageData(image, 0, 0);
  g.imageSmoothingEnabled = false;
  g.drawImage(brush, x, y, size, size);
}

// A canvas as wide as its place, sharp on any screen, drawn once a frame.
class Pane {
  constructor(label, shape, draw, attributes = {}) {
    this.draw = draw;
    this.canvas = element("canvas",
      { role: "img", "aria-label": label, ...attributes });
    this.canvas.style.aspectRatio = `1 / ${shape}`;
    new ResizeObserver(() => this.request()).observe(this.canvas);
    for (const query of ["(prefers-color-scheme: dark)", "print"]) {
      matchMedia(query).addEventListener("change", () => this.request());
    }
  }

  request() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = undefined;
      this.width = this.canvas.clientWidth;
      if (!this.width) return;
      this.height = this.canvas.clientHeight;
      const scale = Math.max(devicePixelRatio, 1);
      const [w, h] = [this.width, this.height].map(
        (v) => Math.round(v * scale));
      if (this.canvas.width !== w) this.canvas.width = w;
      if (this.canvas.height !== h) this.canvas.height = h;
      const g = this.canvas.getContext("2d");
      g.setTransform(scale, 0, 0, scale, 0, 0);
      g.clearRect(0, 0, this.width, this.height);
      g.font = "12px system-ui, sans-serif";
      this.draw(g, colours(this.canvas.closest("figure")), this);
    });
  }
}

// A square window on the plane: data to pixels, and back.
class Window {
  constructor(pane, margin = 26) { this.pane = pane; this.margin = margin; }

  look(x, y, half) { this.x = x; this.y = y; this.half = half; }

  get scale() {
    return (this.pane.canvas.clientWidth - this.margin) / (2 * this.half);
  }

  at([x, y]) {
    return [this.margin + (x - this.x + this.half) * this.scale,
      (this.y + this.half - y) * this.scale];
  }

  from([px, py]) {
    return [(px - this.margin) / this.scale + this.x - this.half,
      this.y + this.half - py / this.scale];
  }

  inside([x, y]) {
    return Math.abs(x - this.x) <= this.half
      && Math.abs(y - this.y) <= this.half;
  }

  axes(g, palette) {
    const step = ticks(this.half / 2);
    const digits = Math.max(0, Math.ceil(-Math.log10(step)));
    const side = 2 * this.half * this.scale, m = this.margin;
    g.lineWidth = 1;
    g.fillStyle = palette.soft;
    for (const [axis, centre] of [this.x, this.y].entries()) {
      const first = Math.ceil((centre - this.half) / step);
      const last = Math.floor((centre + this.half) / step);
      for (let k = first; k <= last; k++) {
        const [px, py] = this.at(axis ? [this.x, k * step]
          : [k * step, this.y]).map(Math.round);
        g.strokeStyle = palette.line;
        g.beginPath();
        if (axis) { g.moveTo(m, py + 0.5); g.lineTo(m + side, py + 0.5); }
        else { g.moveTo(px + 0.5, 0); g.lineTo(px + 0.5, side); }
        g.stroke();
        const text = signed(k * step, digits);
        g.textBaseline = axis ? "middle" : "top";
        g.textAlign = axis ? "right" : "center";
        if (axis) g.fillText(text, m - 4, clamp(py, 7, side - 7));
        else g.fillText(text, clamp(px, m + 10, m + side - 10), side + 6);
      }
    }
    g.strokeStyle = palette.soft;
    g.strokeRect(m + 0.5, 0.5, side - 1, side - 1);
    g.textAlign = "left";
    g.textBaseline = "alphabetic";
  }
}

// The least of 1, 2, 5, 10, ... times a power of ten that is not below v.
function ticks(v) {
  const power = 10 ** Math.floor(Math.log10(v));
  return power * [1, 2, 5, 10].find((m) => m * power >= v * 0.999);
}

function disc(g, [x, y], radius, fill, edge) {
  g.beginPath();
  g.arc(x, y, radius, 0, 2 * Math.PI);
  g.fillStyle = fill;
  g.fill();
  if (edge) { g.strokeStyle = edge; g.lineWidth = 2; g.stroke(); }
}

function line(g, points, colour, width = 2) {
  g.beginPath();
  points.forEach(([x, y], i) => (i ? g.lineTo(x, y) : g.moveTo(x, y)));
  g.strokeStyle = colour;
  g.lineWidth = width;
  g.lineJoin = "round";
  g.stroke();
}

// Pointers on a pane. `grab(p, touch)` says what is taken at a point, or
// nothing, so that a finger beside every handle scrolls the page; its tap
// is told.
function drag(pane, { grab, move, hover = () => {}, tap = () => {} }) {
  const { canvas } = pane;
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  let held, taken;
  canvas.addEventListener("touchstart", (event) => {
    if (event.touches.length === 1 && grab(at(event.touches[0]), true)) {
      event.preventDefault();
    }
  }, { passive: false });
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    held = grab(at(event), event.pointerType === "touch");
    taken = Boolean(held);
    if (!held) return;
    canvas.setPointerCapture(event.pointerId);
    move(held, at(event), true);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (held) dragged = performance.now();
    if (held) move(held, at(event), false);
    else hover(at(event));
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, () => { held = undefined; });
  }
  canvas.addEventListener("click", (event) => {
    if (!taken) tap(at(event));
  });
  canvas.addEventListener("pointerleave", () => hover());
}

// Arrows as steps (dx, dy); others by name. Shift is told.
function keys(pane, arrow, named = {}) {
  const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1],
    ArrowDown: [0, -1] };
  pane.canvas.tabIndex = 0;
  pane.canvas.setAttribute("role", "application");
  pane.canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (ways[event.key]) arrow(ways[event.key], event.shiftKey);
    else if (named[event.key]) named[event.key]();
    else return;
    event.preventDefault();
  });
}

const near = ([x, y], [u, v], reach) => Math.hypot(x - u, y - v) <= reach;
const reach = (touch) => (touch ? 26 : 14);
