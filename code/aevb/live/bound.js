// The bound: q(z | x), the true posterior, and the nats between them.

const LOG_TAU = Math.log(2 * Math.PI);

// log p(x, z) of a decoder with Bernoulli pixels and a prior N(0, I).
// With the last layer l = W h + b, x . l = (W'x) . h + x . b, so that a
// decoded point is kept as h and one number, for every image to come.
class Joint {
  constructor(layers) {
    this.hidden = layers.slice(0, -1);
    this.last = layers.at(-1);
    this.width = this.last.inputs;
  }

  // n points, flat, as { h, rest }: rest = log N(z; 0, I) - sum softplus(l)
  points(z) {
    const n = z.length / 2, h = run(this.hidden, z, n);
    const logits = linear(this.last, h, n), pixels = this.last.outputs;
    const rest = new Float64Array(n);
    for (let p = 0; p < n; p++) {
      // softplus(l) = max(l, 0) + log(1 + e^-|l|); 14 factors a logarithm
      let sum = 0, factors = 1;
      for (let k = 0; k < pixels; k++) {
        const l = logits[p * pixels + k];
        if (l > 0) sum += l;
        factors *= 1 + Math.exp(-Math.abs(l));
        if (k % 14 === 13) { sum += Math.log(factors); factors = 1; }
      }
      sum += Math.log(factors);
      rest[p] = -(z[2 * p] ** 2 + z[2 * p + 1] ** 2) / 2 - LOG_TAU - sum;
    }
    return { h, rest };
  }

  // an image as { v, constant } with x . l = v . h + constant
  image(x) {
    const v = new Float64Array(this.width);
    let constant = 0;
    for (let k = 0; k < x.length; k++) {
      if (!x[k]) continue;
      constant += this.last.bias[k];
      for (let i = 0; i < this.width; i++) {
        v[i] += this.last.w[k * this.width + i];
      }
    }
    return { v, constant };
  }

  // log p(x, z) of kept points
  values({ h, rest }, { v, constant }) {
    return rest.map((r, p) => {
      let sum = r + constant;
      for (let i = 0, at = p * this.width; i < this.width; i++) {
        sum += v[i] * h[at + i];
      }
      return sum;
    });
  }
}

// A coarse lattice over the plane, decoded once, and finer points in those
// of its cells where a posterior lies, decoded when first asked for.
class Lattice {
  constructor(joint, half, step) {
    [this.joint, this.step] = [joint, step];
    this.n = Math.round(half / step);
    this.side = 2 * this.n + 1;
    this.fine = new Map();
  }

  cell(c) {
    return [(c % this.side - this.n) * this.step,
      (Math.floor(c / this.side) - this.n) * this.step];
  }

  // decode all cells, a few milliseconds at a time
  async fill(note) {
    const parts = [], many = 16, total = this.side ** 2;
    for (let from = 0; from < total; from += many) {
      const z = [];
      for (let c = from; c < Math.min(from + many, total); c++) {
        z.push(...this.cell(c));
      }
      parts.push(this.joint.points(Float32Array.from(z)));
      note(from / total);
      await calm();
      await pause();
    }
    this.parts = parts;
  }

  // the kept points of cell c, k by k of them
  points(c, k) {
    const key = 16 * c + k, ahead = (k - 1) / 2;
    if (!this.fine.has(key)) {
      const [x, y] = this.cell(c), fine = this.step / k;
      const z = Float32Array.from({ length: 2 * k * k }, (_, at) => {
        const i = at >> 1;
        return at % 2 ? y + (Math.floor(i / k) - ahead) * fine
          : x + (i % k - ahead) * fine;
      });
      if (this.fine.size > 3000) this.fine.clear();
      this.fine.set(key, this.joint.points(z));
    }
    return this.fine.get(key);
  }

  // The posterior of an image: { logPx, peak, step, origin, nx, ny, values },
  // values being log p(x, z) on the fine lattice of a box of cells, and
  // -Infinity in cells of no weight. From the cells of most weight it spreads
  // to neighbours, wherever an edge has more than exp(-12) of the peak.
  async posterior(image, alive) {
    const { side } = this;
    const coarse = this.parts.flatMap(
      (part) => Array.from(this.joint.values(part, image)));
    const most = coarse.reduce((a, b) => Math.max(a, b));
    const above = (drop) => [...coarse.keys()].filter(
      (c) => coarse[c] > most - drop);
    const wide = above(12).length;
    const k = wide <= 80 ? 5 : wide <= 500 ? 3 : 1, fine = this.step / k;
    const waiting = above(6), found = new Map();
    let peak = most;
    while (waiting.length) {
      const c = waiting.pop();
      if (found.has(c)) continue;
      const values = this.joint.values(this.points(c, k), image);
      found.set(c, values);
      peak = Math.max(peak, ...values);
      const rows = Array.from({ length: k }, (_, i) => i);
      for (const [by, edge, last] of [
        [-1, rows.map((i) => i * k), c % side === 0],
        [1, rows.map((i) => i * k + k - 1), c % side === side - 1],
        [-side, rows, c < side],
        [side, rows.map((i) => (k - 1) * k + i), c >= side * (side - 1)],
      ]) {
        if (!last && edge.some((i) => values[i] > peak - 12)) {
          waiting.push(c + by);
        }
      }
      await pause();
      if (!alive()) return undefined;
    }
    const cells = [...found.keys()];
    const columns = cells.map((c) => c % side);
    const rows = cells.map((c) => Math.floor(c / side));
    const [left, low] = [Math.min(...columns), Math.min(...rows)];
    const nx = (Math.max(...columns) - left + 1) * k;
    const ny = (Math.max(...rows) - low + 1) * k;
    const values = new Float64Array(nx * ny).fill(-Infinity);
    cells.forEach((c, at) => found.get(c).forEach((v, i) => {
      const row = (rows[at] - low) * k + Math.floor(i / k);
      values[row * nx + (columns[at] - left) * k + i % k] = v;
    }));
    let mass = 0;
    for (const v of values) mass += fine ** 2 * Math.exp(v - peak);
    coarse.forEach((v, c) => {
      if (!found.has(c)) mass += this.step ** 2 * Math.exp(v - peak);
    });
    const origin = this.cell(low * side + left).map(
      (v) => v - (k - 1) / 2 * fine);
    return { logPx: peak + Math.log(mass), peak, step: fine, origin, nx, ny,
      values };
  }
}

// Values on a lattice four times as fine, by cubic interpolation
// (Catmull and Rom) along one axis and then, transposed, the other.
function finer({ values, nx, ny, origin, step, peak }) {
  const along = (v, n, m) => {
    const long = 4 * (n - 1) + 1, out = new Float64Array(long * m);
    for (let j = 0; j < m; j++) {
      const at = (i) => Math.max(v[j * n + clamp(i, 0, n - 1)], peak - 30);
      for (let i = 0; i < long; i++) {
        const k = Math.floor(i / 4), t = i / 4 - k;
        const [a, b, c, d] = [at(k - 1), at(k), at(k + 1), at(k + 2)];
        out[i * m + j] = b + t / 2 * (c - a + t * (2 * a - 5 * b + 4 * c - d
          + t * (3 * (b - c) + d - a)));
      }
    }
    return out;
  };
  const [wide, high] = [4 * (nx - 1) + 1, 4 * (ny - 1) + 1];
  return { values: along(along(values, nx, ny), ny, wide), nx: wide, ny: high,
    origin, step: step / 4 };
}

// Segments where values on a lattice cross a level (marching squares).
function contour({ values, nx, ny, origin, step }, level) {
  const found = [];
  const at = (i, j) => values[j * nx + i];
  for (let j = 0; j + 1 < ny; j++) {
    for (let i = 0; i + 1 < nx; i++) {
      const corners = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]];
      const cuts = [];
      for (let e = 0; e < 4; e++) {
        const [a, b] = [corners[e], corners[(e + 1) % 4]];
        const [p, q] = [at(...a) - level, at(...b) - level];
        if ((p > 0) === (q > 0)) continue;
        const t = p / (p - q);
        cuts.push([0, 1].map(
          (d) => origin[d] + step * (a[d] + t * (b[d] - a[d]))));
      }
      for (let s = 0; s + 1 < cuts.length; s += 2) {
        found.push([cuts[s], cuts[s + 1]]);
      }
    }
  }
  return found;
}

// KL(N(mu, sigma^2) || N(0, I)) in closed form.
const rate = ({ mean, sd }) => [0, 1].reduce((sum, d) => sum
  + (mean[d] ** 2 + sd[d] ** 2 - 1) / 2 - Math.log(sd[d]), 0);

// A rule of nodes t with weights w that sum to 1, for E f(t), t ~ N(0, 1).
function normalRule(spacing) {
  const n = Math.ceil(5.5 / spacing), t = [], w = [];
  for (let k = -n; k <= n; k++) {
    t.push(k * spacing);
    w.push(Math.exp(-((k * spacing) ** 2) / 2));
  }
  const total = w.reduce((a, b) => a + b);
  return [t, w.map((v) => v / total)];
}

// log p(x, z) at the nodes of a rule along both axes of q.
async function atNodes(joint, image, q, [t, w], alive = () => true) {
  const nodes = [];
  for (let j = 0; j < t.length; j++) {
    const z = t.flatMap((s) => [q.mean[0] + q.sd[0] * s,
      q.mean[1] + q.sd[1] * t[j]]);
    const values = joint.values(joint.points(Float32Array.from(z)), image);
    values.forEach((f, i) => nodes.push({ f, s: [t[i], t[j]],
      w: w[i] * w[j] }));
    await pause();
    if (!alive()) return undefined;
  }
  return nodes;
}

const mean = (nodes, f) => nodes.reduce((sum, n) => sum + n.w * f(n), 0);

// E_q f by finer and finer rules, until two agree to 1e-4.
async function settled(joint, image, q, rules, f, alive) {
  let last = NaN;
  for (const rule of rules) {
    const nodes = await atNodes(joint, image, q, rule, alive);
    if (!nodes) return undefined;
    const value = mean(nodes, f);
    if (Math.abs(value - last) < 1e-4) return value;
    last = value;
  }
  return last;
}

const entropy = ({ sd }) => 1 + LOG_TAU + Math.log(sd[0] * sd[1]);
const logPrior = (q, s) => -LOG_TAU - [0, 1].reduce(
  (sum, d) => sum + (q.mean[d] + q.sd[d] * s[d]) ** 2, 0) / 2;

// ELBO = E_q log p(x | z) - KL(q || p(z)) by Gauss-Hermite rules; and, by
// trapezoid rules, which share no node with them, KL(q || p(z | x)).
async function elboOf(joint, image, q, rules, alive) {
  const distortion = await settled(joint, image, q, rules,
    ({ f, s }) => logPrior(q, s) - f, alive);
  return distortion === undefined ? undefined
    : { distortion, rate: rate(q), elbo: -distortion - rate(q) };
}

async function gapOf(joint, image, q, logPx, alive) {
  const rules = [0.9, 0.6, 0.4, 0.27, 0.18, 0.12].map(normalRule);
  const found = await settled(joint, image, q, rules, ({ f, s }) =>
    -LOG_TAU - Math.log(q.sd[0] * q.sd[1]) - (s[0] ** 2 + s[1] ** 2) / 2
      - f, alive);
  return found === undefined ? undefined : found + logPx;
}

// One step of variational Newton to the q of largest ELBO: with f the joint,
// 1/sd^2 goes to -E f'' and the mean up E f', both from the nodes' values.
function climb(q, nodes, share) {
  const next = { mean: [...q.mean], sd: [...q.sd] };
  for (const d of [0, 1]) {
    const slope = mean(nodes, ({ f, s }) => f * s[d]) / q.sd[d];
    const bend = mean(nodes, ({ f, s }) => f * (s[d] ** 2 - 1))
      / q.sd[d] ** 2;
    const now = q.sd[d] ** -2;
    const precision = (1 - share) * now + share * Math.max(-bend, now / 4);
    next.sd[d] = precision ** -0.5;
    next.mean[d] += clamp(share * slope / precision, -3 * q.sd[d],
      3 * q.sd[d]);
  }
  return next;
}

async function bound(figure, body, config) {
  const [encoder, decoder] = await Promise.all(
    [network(config.encoder), network(config.decoder)]);
  const bits = new Uint8Array(await bytes(config.images));
  const codes = await floats(config.codes);
  const { labels, rules, half, step } = config;
  const LEAST = 0.02, MOST = 1;  // standard deviations that q may have
  const joint = new Joint(decoder), lattice = new Lattice(joint, half, step);
  const testImage = (i) => Uint8Array.from({ length: 784 }, (_, k) =>
    (bits[i * 98 + (k >> 3)] >> (7 - k % 8)) & 1);
  let x, index, image, q, posterior, sums, filled = false, pen = [14, 14];
  let imageTurn = 0, qTurn = 0, timer, pending;

  const main = new Pane("The latent plane: true posterior of the image, and "
    + "q over it; arrow keys move q, with Shift they stretch it", 1,
  (g, palette) => {
    view.axes(g, palette);
    g.save();
    g.beginPath();
    g.rect(view.margin, 0, main.width - view.margin,
      main.width - view.margin);
    g.clip();
    dots(g, palette, view, 2.2);
    if (posterior) density(g, palette);
    for (const radius of [3, 2, 1]) {
      const [cx, cy] = view.at(q.mean);
      g.beginPath();
      g.ellipse(cx, cy, ...q.sd.map((s) => radius * s * view.scale), 0, 0,
        2 * Math.PI);
      g.strokeStyle = palette.blue;
      g.lineWidth = radius === 1 ? 2.5 : 1.25;
      g.stroke();
    }
    for (const at of Object.values(handles())) {
      disc(g, view.at(at), 6, palette.blue, palette.paper);
    }
    g.restore();
    overview(g, palette);
  });
  const view = new Window(main, 36);
  const handles = () => ({ mean: q.mean, x: [q.mean[0] + q.sd[0], q.mean[1]],
    y: [q.mean[0], q.mean[1] + q.sd[1]] });

  function dots(g, palette, window, size) {
    g.globalAlpha = 0.45;
    for (let i = 0; i < labels.length; i++) {
      const z = [codes[2 * i], codes[2 * i + 1]];
      if (!window.inside(z)) continue;
      disc(g, window.at(z), size, palette[`digit-${labels[i]}`]);
    }
    g.globalAlpha = 1;
  }

  function density(g, palette) {
    const { nx, ny, values, peak, origin, step: fine } = posterior;
    const field = element("canvas", { width: nx, height: ny });
    const paint = field.getContext("2d"), [r, gr, b] = rgb(palette.green);
    const data = paint.createImageData(nx, ny);
    values.forEach((v, k) => {
      const at = 4 * ((ny - 1 - Math.floor(k / nx)) * nx + k % nx);
      data.data.set([r, gr, b, 165 * Math.exp(v - peak)], at);
    });
    paint.putImageData(data, 0, 0);
    g.imageSmoothingEnabled = true;
    const [px, py] = view.at([origin[0] - fine / 2,
      origin[1] + (ny - 0.5) * fine]);
    const size = fine * view.scale;
    g.drawImage(field, px, py, nx * size, ny * size);
    for (const [i, width] of [1.75, 1.25, 0.75].entries()) {
      g.beginPath();
      for (const [a, c] of posterior.lines[i]) {
        g.moveTo(...view.at(a));
        g.lineTo(...view.at(c));
      }
      g.strokeStyle = palette.green;
      g.lineWidth = width;
      g.stroke();
    }
  }

  // the whole plane in a corner, and the window that is seen
  function overview(g, palette) {
    const size = clamp(main.width / 4, 70, 120);
    const all = new Window({ canvas: { clientWidth: size } }, 0);
    all.look(0, 0, half);
    g.save();
    g.translate(main.width - size - 6, 6);
    g.fillStyle = palette.paper;
    g.fillRect(0, 0, size, size);
    dots(g, palette, all, 1);
    g.strokeStyle = palette.soft;
    g.lineWidth = 1;
    g.strokeRect(0.5, 0.5, size - 1, size - 1);
    const [px, py] = all.at([view.x - view.half, view.y + view.half]);
    g.strokeStyle = palette.ink;
    g.lineWidth = 1.5;
    const side = Math.max(2 * view.half * all.scale, 4);
    g.strokeRect(px, py, side, side);
    g.restore();
  }

  const pad = new Pane("The image; draw with the pointer, or move the pen by "
    + "arrow keys and press the space bar", 1, (g, palette) => {
    stamp(g, Float32Array.from(x), 0, 0, pad.width, palette);
    const size = pad.width / SIDE;
    g.strokeStyle = palette.line;
    g.strokeRect(0.5, 0.5, pad.width - 1, pad.width - 1);
    if (document.activeElement === pad.canvas) {
      g.strokeStyle = palette.orange;
      g.lineWidth = 2;
      g.strokeRect(pen[0] * size, pen[1] * size, size, size);
    }
  });

  const bar = new Pane("The sum as a bar", 0.13, (g, palette) => {
    const text = (words, px, py, colour, align = "left") => {
      g.fillStyle = colour;
      g.textAlign = align;
      g.fillText(words, px, py);
    };
    const right = bar.width - 14, top = 22, high = bar.height - 44;
    if (!sums || !posterior) {
      const part = Math.round(100 * (filled === true ? 1 : filled || 0));
      const share = part < 100 ? ` (${part} %)` : "";
      return text(`integrating over the plane${share} \u2026`, 2, top + 12,
        palette.soft);
    }
    const gap = Math.max(posterior.logPx - sums.elbo, 0);
    const range = +ticks(Math.max(1.7 * gap, 0.1)).toPrecision(1);
    const scale = right / range;
    const cut = clamp(right - gap * scale, 0, right);
    g.fillStyle = palette.blue;
    g.fillRect(0, top, cut, high);
    g.fillStyle = palette.orange;
    g.fillRect(cut, top, right - cut, high);
    line(g, [[right, top - 6], [right, top + high + 6]], palette.ink, 2);
    // the blue part begins far to the left
    for (const k of [0, 1]) {
      line(g, [[14 + 6 * k, top - 3], [8 + 6 * k, top + high + 3]],
        palette.paper, 3);
    }
    text(`ELBO ${signed(sums.elbo)}`, 2, 14, palette.blue);
    text(`log p(x) ${signed(posterior.logPx)}`, right + 12, 14, palette.ink,
      "right");
    text(`KL(q \u2016 p(z | x)) ${signed(gap)}`, right + 12,
      bar.height - 5, palette.orange, "right");
    text(`full width: ${range} nat${range === 1 ? "" : "s"}`, 2,
      bar.height - 5, palette.soft);
  });
  bar.canvas.classList.add("sum");
  const text = element("output", { "aria-live": "polite", class: "numbers" });

  function tell() {
    bar.request();
    if (!sums || !posterior) return;
    const adds = sums.gap === undefined ? "" : `; by integrals of their own, `
      + `ELBO + KL(q \u2016 p(z | x)) = ${signed(sums.elbo, 3)} + `
      + `${signed(sums.gap, 3)} = ${signed(sums.elbo + sums.gap, 3)}`;
    text.textContent = `ELBO = E[log p(x | z)] \u2212 KL(q \u2016 p(z)) = `
      + `${signed(-sums.distortion)} \u2212 ${signed(sums.rate)} nats`
      + `; log p(x) = ${signed(posterior.logPx, 3)}${adds}.`;
  }

  async function settle() {
    const turn = qTurn, alive = () => turn === qTurn;
    if (!posterior) return;
    const found = await elboOf(joint, image, q, rules, alive);
    if (!found) return;
    const gap = await gapOf(joint, image, q, posterior.logPx, alive);
    if (gap === undefined) return;
    sums = { ...found, gap, settled: true };
    tell();
  }

  // while q moves, a rule of few nodes; when it rests, `settle`
  async function moved() {
    qTurn++;
    sums = sums && { ...sums, gap: undefined, settled: false };
    main.request();
    clearTimeout(timer);
    timer = setTimeout(settle, 200);
    if (pending) return;
    pending = true;
    await new Promise(requestAnimationFrame);
    pending = false;
    const at = q, nodes = await atNodes(joint, image, at, rules[0]);
    if (sums?.settled) return; // on a slow machine `settle` was first
    const distortion = mean(nodes, ({ f, s }) => logPrior(at, s) - f);
    sums = { distortion, rate: rate(at), elbo: -distortion - rate(at) };
    tell();
  }

  function setQ(wanted) {
    q = { mean: wanted.mean.map((v) => clamp(v, -half, half)),
      sd: wanted.sd.map((v) => clamp(v, LEAST, MOST)) };
    moved();
  }

  function encoded() {
    const [a, b, c, d] = run(encoder, Float32Array.from(x));
    return { mean: [a, b], sd: [Math.exp(c / 2), Math.exp(d / 2)] };
  }

  function fit() {
    const marks = [0, 1].map((d) => [-3.5, 3.5].map(
      (s) => q.mean[d] + s * q.sd[d]));
    if (posterior) {
      const { nx, values, peak, origin, step: fine } = posterior;
      values.forEach((v, k) => {
        if (v < peak - 5) return;
        marks[0].push(origin[0] + (k % nx) * fine);
        marks[1].push(origin[1] + Math.floor(k / nx) * fine);
      });
    }
    const low = marks.map((m) => m.reduce((a, b) => Math.min(a, b)));
    const high = marks.map((m) => m.reduce((a, b) => Math.max(a, b)));
    view.look((low[0] + high[0]) / 2, (low[1] + high[1]) / 2,
      clamp(0.55 * Math.max(high[0] - low[0], high[1] - low[1]), 0.1, half));
    main.request();
  }

  async function setImage(wanted, at) {
    imageTurn++;
    [x, index, posterior, sums] = [wanted, at, undefined, undefined];
    image = joint.image(x);
    setQ(encoded());
    which.textContent = at === undefined ? "drawn by hand"
      : `test image ${at + 1}, a ${labels[at]}`;
    pad.request();
    fit();
    tell();
    await integrate();
  }

  async function integrate() {
    const turn = imageTurn, alive = () => turn === imageTurn;
    if (filled !== true) return;
    const found = await lattice.posterior(image, alive);
    if (!found || !alive()) return;
    posterior = { ...found, lines: [0.5, 2, 4.5].map(
      (drop) => contour(finer(found), found.peak - drop)) };
    fit();
    moved();
  }

  async function best() {
    let share = 0.5, top = -Infinity, kept = q, mine = q;
    for (let k = 0; k < 60 && share > 0.02; k++) {
      const nodes = await atNodes(joint, image, q, rules[1]);
      if (q !== mine) return;  // the reader has taken it
      const value = mean(nodes, ({ f }) => f) + entropy(q);
      if (value < top - 1e-6) {
        share /= 2;
        setQ(kept);
        mine = q;
        continue;
      }
      const gained = value - top;
      [top, kept] = [value, q];
      if (gained < 1e-5) break;
      setQ(climb(q, nodes, share));
      mine = q;
      await new Promise(requestAnimationFrame);
    }
    setQ(kept);
    fit();
  }

  let last;
  function stroke(p, first) {
    const to = p.map((v) => v / pad.width * SIDE);
    const from = first ? to : last;
    const drawn = Uint8Array.from(x);
    const parts = Math.ceil(2 * Math.hypot(to[0] - from[0], to[1] - from[1]));
    for (let s = 0; s <= parts; s++) {
      const [cx, cy] = to.map((v, d) => from[d]
        + (parts ? s / parts : 1) * (v - from[d]));
      for (let k = 0; k < 784; k++) {
        const away = Math.hypot(k % SIDE + 0.5 - cx,
          Math.floor(k / SIDE) + 0.5 - cy);
        if (away < 1.3) drawn[k] = 1;
      }
    }
    last = to;
    ink(drawn);
  }

  // what is drawn is encoded at once, its posterior when the pen rests
  let rest;
  function ink(drawn) {
    [x, index, posterior, sums] = [drawn, undefined, undefined, undefined];
    imageTurn++;
    pad.request();
    clearTimeout(rest);
    rest = setTimeout(() => setImage(x), 250);
  }

  drag(pad, {
    grab: () => "pen",
    move: (held, p, first) => stroke(p, first),
  });
  keys(pad, ([dx, dy]) => {
    pen = [clamp(pen[0] + dx, 0, 27), clamp(pen[1] - dy, 0, 27)];
    pad.request();
  }, { " ": () => {
    const drawn = Uint8Array.from(x);
    drawn[pen[1] * SIDE + pen[0]] ^= 1;
    ink(drawn);
  } });
  for (const event of ["focus", "blur"]) {
    pad.canvas.addEventListener(event, () => pad.request());
  }

  drag(main, {
    grab: (p, touch) => Object.entries(handles()).reverse().find(
      ([, at]) => near(p, view.at(at), reach(touch)))?.[0],
    move: (held, p) => {
      const z = view.from(p);
      if (held === "mean") setQ({ ...q, mean: z });
      if (held === "x") setQ({ ...q, sd: [z[0] - q.mean[0], q.sd[1]] });
      if (held === "y") setQ({ ...q, sd: [q.sd[0], z[1] - q.mean[1]] });
    },
  });
  keys(main, ([dx, dy], stretch) => {
    if (stretch) setQ({ ...q, sd: [q.sd[0] * 1.08 ** dx,
      q.sd[1] * 1.08 ** dy] });
    else setQ({ ...q, mean: [q.mean[0] + dx * view.half / 40,
      q.mean[1] + dy * view.half / 40] });
  });

  const which = element("output");
  const next = (by) => setImage(...test(((index ?? 0) + by + labels.length)
    % labels.length));
  const test = (i) => [testImage(i), i];
  const zoom = (by) => {
    view.look(view.x, view.y, clamp(view.half * by, 0.05, half));
    main.request();
  };
  body.append(
    element("div", { class: "bar" },
      button("encoder's q", () => { setQ(encoded()); fit(); }),
      button("best normal", best, "climb to the q of largest ELBO"),
      button("+", () => zoom(1 / 1.5), "nearer"),
      button("\u2212", () => zoom(1.5), "farther"),
      button("fit", fit, "show all of q and of the posterior"),
      button("reset", () => setImage(...test(0)))),
    element("div", { class: "two" }, main.canvas,
      element("div", { class: "side" }, pad.canvas,
        element("div", {}, which, element("div", { class: "bar" },
          button("previous", () => next(-1)), button("next", () => next(1)),
          button("clear", () => {
            x = new Uint8Array(784);
            ink(x);
          }, "an empty image to draw on"))))),
    bar.canvas, text);
  setImage(...test(0));
  lattice.fill((share) => { filled = share; bar.request(); }).then(() => {
    filled = true;
    integrate();
  });
  return { setQ, setImage, testImage, best,
    state: () => ({ q, x, index, posterior, sums, filled }) };
}
