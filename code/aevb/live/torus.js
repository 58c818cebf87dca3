// The torus: decoded straight lines and the geodesic between two points.

const TAU = 2 * Math.PI;
const wrapped = (a) => a - TAU * Math.floor((a + Math.PI) / TAU);
const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const minus = (a, b) => a.map((v, i) => v - b[i]);
const size = (a) => Math.sqrt(dot(a, a));

class Surface {
  constructor(R, r) { [this.R, this.r] = [R, r]; }

  point([u, v]) {
    const ring = this.R + this.r * Math.cos(v);
    return [ring * Math.cos(u), ring * Math.sin(u), this.r * Math.sin(v)];
  }

  angles([x, y, z]) {
    return [Math.atan2(y, x), Math.atan2(z, Math.hypot(x, y) - this.R)];
  }

  distance([x, y, z]) {
    return Math.hypot(Math.hypot(x, y) - this.R, z) - this.r;
  }

  // The geodesic from angles (u, v) at a slope alpha to the parallel, by
  // Clairaut's law and Verlet's scheme (torus.py): visit(s, x, tangent, side)
  // until it returns true.
  ray([u, v], alpha, visit, h = 0.02 * this.r) {
    const { R, r } = this;
    const c = (R + r * Math.cos(v)) * Math.cos(alpha);
    let pull = r * Math.sin(alpha);
    for (let s = 0; s < 1.1 * Math.PI * (R + r); s += h) {
      const turn = c / (R + r * Math.cos(v)), rise = pull / r;
      const eu = [-Math.sin(u), Math.cos(u), 0];
      const ev = [-Math.sin(v) * Math.cos(u), -Math.sin(v) * Math.sin(u),
        Math.cos(v)];
      const tangent = eu.map((e, i) => turn * e + rise * ev[i]);
      const side = eu.map((e, i) => turn * ev[i] - rise * e);
      if (visit(s, this.point([u, v]), tangent, side)) return;
      v += h / 2 * pull / r ** 2;
      const ring = R + r * Math.cos(v);
      u += h * c / ring ** 2;
      pull -= h * c ** 2 * r * Math.sin(v) / ring ** 3;
      v += h / 2 * pull / r ** 2;
    }
  }

  // Where a ray passes the target: { length, aside }, nearest pass of all.
  pass(from, alpha, target, about) {
    const found = [];
    let last;
    this.ray(from, alpha, (s, x, tangent, side) => {
      const way = minus(target, x), ahead = dot(way, tangent);
      if (last > 0 && ahead <= 0 && size(way) < this.r) {
        found.push({ length: s + ahead, aside: dot(way, side) });
      }
      last = ahead;
      return false;
    });
    if (about === undefined) return found;
    return found.reduce((a, b) => (Math.abs(a.length - about)
      <= Math.abs(b.length - about) ? a : b), { length: Infinity });
  }

  // The shortest curve on the surface between two points, as n points.
  geodesic(a, b, n = 101) {
    const [from, to] = [this.angles(a), this.angles(b)];
    const mirror = wrapped(to[0] - from[0]) < 0;
    const start = [0, from[1]];
    const target = this.point([Math.abs(wrapped(to[0] - from[0])), to[1]]);
    const RAYS = 180;
    let best = { length: Infinity }, before = [];
    for (let k = -1; k <= RAYS + 1; k++) {
      const alpha = Math.PI * (k / RAYS - 0.5);
      const now = this.pass(start, alpha, target)
        .map((p) => ({ ...p, alpha }));
      for (const p of now) {
        // two neighbouring rays have the target between them
        const q = before.find((o) => o.aside * p.aside <= 0
          && Math.abs(o.length - p.length) < this.r / 4);
        if (q && Math.min(p.length, q.length) < best.length + 0.1) {
          const exact = this.aim(start, target, q, p);
          if (exact.length < best.length) best = exact;
        }
      }
      before = now;
    }
    const steps = [];
    if (Number.isFinite(best.length) && best.length > 1e-3) {
      const h = best.length / (8 * (n - 1));
      let k = 0;
      this.ray(start, best.alpha, (s, x) => {
        if (k++ % 8 === 0) steps.push(x);
        return steps.length === n;
      }, h);
    }
    while (steps.length < n) steps.push(target);
    const turn = ([x, y, z]) => {
      const [s, c] = [Math.sin(from[0]), Math.cos(from[0])];
      const w = mirror ? -y : y;
      return [c * x - s * w, s * x + c * w, z];
    };
    return steps.map(turn);
  }

  // The slope between two at which the ray hits the target, by bisection.
  aim(start, target, low, high) {
    let best = Math.abs(low.aside) < Math.abs(high.aside) ? low : high;
    for (let k = 0; k < 24 && Math.abs(best.aside) > 1e-7; k++) {
      const alpha = (low.alpha + high.alpha) / 2;
      const p = { ...this.pass(start, alpha, target, low.length), alpha };
      if (!(p.length < Infinity)) break;
      if (p.aside * low.aside <= 0) high = p;
      else low = p;
      best = p;
    }
    return best;
  }
}

// The two latent spaces of torus_vae.py: a code from the encoder's output,
// what the decoder sees, and the way between two codes.
const KINDS = {
  plain: {
    code: (y) => [y[0], y[1]],
    input: (z) => z,
    difference: (z0, z1) => [z1[0] - z0[0], z1[1] - z0[1]],
  },
  toroidal: {
    code: (y) => [Math.atan2(y[2], y[0]), Math.atan2(y[3], y[1])],
    input: ([a, b]) => [Math.cos(a), Math.cos(b), Math.sin(a), Math.sin(b)],
    difference: (z0, z1) => [wrapped(z1[0] - z0[0]), wrapped(z1[1] - z0[1])],
  },
};

function encode({ kind, frequencies, encoder }, x) {
  const octaves = Array.from({ length: frequencies }, (_, f) => 2 ** f);
  const seen = frequencies ? x.flatMap((c) => octaves.flatMap(
    (f) => [Math.sin(f * c), Math.cos(f * c)])) : x;
  return KINDS[kind].code(run(encoder, Float32Array.from(seen)));
}

// The decoded straight line between the codes of two points.
function decodedLine(model, a, b, n = 101) {
  const kind = KINDS[model.kind];
  const from = encode(model, a);
  const way = kind.difference(from, encode(model, b));
  const z = Array.from({ length: n }, (_, k) => from.map(
    (v, d) => v + k / (n - 1) * way[d]));
  const out = run(model.decoder, Float32Array.from(z.flatMap(kind.input)), n);
  return { z, points: z.map((_, k) => Array.from(out.slice(3 * k, 3 * k + 3))) };
}

function measured(surface, points) {
  const offsets = points.map((p) => Math.abs(surface.distance(p)));
  return { offsets, max: Math.max(...offsets),
    mean: offsets.reduce((a, b) => a + b) / offsets.length,
    length: points.slice(1).reduce(
      (sum, p, i) => sum + size(minus(p, points[i])), 0) };
}

async function torus(figure, body, config) {
  const surface = new Surface(config.R, config.r);
  const models = await Promise.all(config.models.map(async (model) => ({
    ...model, encoder: await network(model.encoder),
    decoder: await network(model.decoder) })));
  const FAR = 0.4 * config.r;
  // points that fill the square of angles evenly, for the maps
  const golden = (Math.sqrt(5) - 1) / 2;
  const even = Array.from({ length: 700 }, (_, k) => [
    wrapped(TAU * (k + 0.5) / 700), wrapped(TAU * ((k * golden) % 1))]);
  let ends, paths, seed, chosen, yaw, pitch;

  const hue = (u) => `hsl(${Math.round((u / TAU + 1) * 360)} 55% 55%)`;
  const heat = (d, palette) => (d < FAR / 2
    ? mix(palette.blue, palette["digit-4"], d / FAR * 2)
    : mix(palette["digit-4"], palette["digit-1"],
      clamp(d / FAR * 2 - 1, 0, 1)));

  // rotation about the vertical, then a tilt; x right, y up, z to the reader
  const seen = ([x, y, z]) => {
    const [s, c] = [Math.sin(yaw), Math.cos(yaw)];
    const [a, b] = [c * x - s * y, s * x + c * y];
    const [t, e] = [Math.sin(pitch), Math.cos(pitch)];
    return [a, t * b + e * z, t * z - e * b];
  };
  const unseen = ([a, y, w]) => {
    const [s, c] = [Math.sin(yaw), Math.cos(yaw)];
    const [t, e] = [Math.sin(pitch), Math.cos(pitch)];
    const b = t * y - e * w, z = e * y + t * w;
    return [c * a + s * b, -s * a + c * b, z];
  };

  const NU = 44, NV = 18;
  const corner = (i, j) => [i * TAU / NU, j * TAU / NV];

  class Space {
    constructor(column) {
      this.column = column;
      const pane = new Pane(`The torus with the path of: ${column.name}; arrow `
        + "keys turn it", 0.78, (g, palette) => this.draw(g, palette));
      this.pane = pane;
      let before;
      drag(pane, {
        grab: (p, touch) => [0, 1].find((e) => near(p,
          this.at(surface.point(ends[e])), reach(touch)))?.toString()
          ?? "turn",
        move: (held, p, first) => {
          if (held !== "turn") return this.carry(+held, p);
          if (!first) turn((p[0] - before[0]) / 110, (p[1] - before[1]) / 110);
          before = p;
        },
      });
      keys(pane, ([dx, dy]) => turn(dx * 0.1, -dy * 0.1));
    }

    get scale() {
      return 0.47 * this.pane.canvas.clientWidth / (config.R + config.r);
    }

    at(x) {
      const [a, b] = seen(x), width = this.pane.canvas.clientWidth;
      return [width / 2 + this.scale * a, 0.39 * width - this.scale * b];
    }

    // move an end to where the line of sight meets the surface
    carry(e, [px, py]) {
      const width = this.pane.canvas.clientWidth, far = config.R + config.r;
      const a = (px - width / 2) / this.scale;
      const b = (0.39 * width - py) / this.scale;
      let depth = 2 * far, x;
      for (let k = 0; k < 80 && depth > -2 * far; k++) {
        x = unseen([a, b, depth]);
        const away = surface.distance(x);
        if (away < 1e-4) return setEnd(e, surface.angles(x));
        depth -= away;
      }
      return undefined;
    }

    draw(g, palette) {
      const light = [0.35, 0.55, 0.76], things = [];
      const grid = Array.from({ length: NU * NV }, (_, k) => seen(
        surface.point(corner(Math.floor(k / NV), k % NV))));
      const spot = ([a, b]) => [this.pane.width / 2 + this.scale * a,
        0.39 * this.pane.width - this.scale * b];
      for (let i = 0; i < NU; i++) {
        for (let j = 0; j < NV; j++) {
          const quad = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]].map(
            ([p, q]) => grid[(p % NU) * NV + q % NV]);
          const [u, v] = corner(i + 0.5, j + 0.5);
          const normal = seen([Math.cos(v) * Math.cos(u),
            Math.cos(v) * Math.sin(u), Math.sin(v)]);
          const shade = 0.25 + 0.6 * Math.max(dot(normal, light), 0);
          things.push({ depth: quad.reduce((s, q) => s + q[2], 0) / 4,
            quad: quad.map(spot), shade, away: normal[2] < 0 });
        }
      }
      const { points, offsets } = this.column.path;
      const eyes = points.map(seen);
      for (let k = 0; k + 1 < eyes.length; k++) {
        things.push({ depth: (eyes[k][2] + eyes[k + 1][2]) / 2 + 0.02,
          line: [spot(eyes[k]), spot(eyes[k + 1])],
          colour: heat(offsets[k], palette) });
      }
      things.sort((a, b) => a.depth - b.depth);
      g.lineCap = "round";
      for (const thing of things) {
        if (thing.line) {
          line(g, thing.line, thing.colour, 4);
          continue;
        }
        g.beginPath();
        thing.quad.forEach(([x, y]) => g.lineTo(x, y));
        g.closePath();
        g.globalAlpha = thing.away ? 0.3 : 0.5;
        g.fillStyle = mix(palette.soft, palette.paper, thing.shade);
        g.fill();
      }
      g.globalAlpha = 1;
      // once more and faintly, so that nothing of it is lost to sight
      g.globalAlpha = 0.35;
      eyes.slice(1).forEach((p, k) => line(g, [spot(eyes[k]), spot(p)],
        heat(offsets[k], palette), 3));
      g.globalAlpha = 1;
      for (const e of [0, 1]) mark(g, palette, this.at(surface.point(ends[e])),
        e);
    }
  }

  function mark(g, palette, at, e, solid = e === chosen) {
    disc(g, at, 9, solid ? palette.ink : palette.paper, palette.ink);
    g.fillStyle = solid ? palette.paper : palette.ink;
    g.textAlign = "center";
    g.fillText("AB"[e], at[0], at[1] + 4);
  }

  // a path in its own coordinates, over codes coloured by the angle u
  class Map2 {
    constructor(column) {
      const { codes, flat } = column;
      this.pane = new Pane(`${column.map} with the same path`, 1,
        (g, palette) => {
          window.axes(g, palette);
          g.save();
          g.beginPath();
          g.rect(window.margin, 0, this.pane.width, this.pane.width - 26);
          g.clip();
          codes.forEach((z, k) => disc(g, window.at(z), 2, hue(even[k][0])));
          const { z, offsets } = column.path;
          const folded = flat ? z : z.map((p) => p.map(wrapped));
          for (let k = 0; k + 1 < folded.length; k++) {
            const pair = [folded[k], folded[k + 1]];
            const jump = Math.hypot(...[0, 1].map(
              (d) => pair[1][d] - pair[0][d]));
            if (!flat && jump > Math.PI) continue;
            line(g, pair.map((p) => window.at(p)), heat(offsets[k], palette),
              3.5);
          }
          for (const e of [0, 1]) {
            mark(g, palette, window.at(folded[e ? folded.length - 1 : 0]), e);
          }
          g.restore();
        });
      const window = new Window(this.pane);
      const half = flat ? codes.flat().reduce(
        (most, v) => Math.max(most, Math.abs(v)), 0) : Math.PI;
      window.look(0, 0, 1.05 * half);
      this.window = window;
    }
  }

  const columns = models.map((model) => ({
    name: model.name,
    map: `The latent ${model.kind === "plain" ? "plane" : "square"}`,
    flat: model.kind === "plain",
    codes: even.map((w) => encode(model, surface.point(w))),
    follow: (a, b) => decodedLine(model, a, b),
  }));
  columns.push({
    name: "geodesic",
    map: "The square of angles u and v; arrow keys move A, or after b is "
      + "pressed B,",
    flat: false,
    codes: even,
    follow: (a, b) => {
      const points = surface.geodesic(a, b);
      return { points, z: points.map((p) => surface.angles(p)) };
    },
  });

  const table = element("table");

  function update() {
    const [a, b] = ends.map((w) => surface.point(w));
    for (const column of columns) {
      const path = column.follow(a, b);
      column.path = { ...path, ...measured(surface, path.points) };
    }
    const least = columns.at(-1).path.length;
    table.replaceChildren(
      row("th", "path", "mean distance", "largest", "length",
        "/ geodesic's"),
      ...columns.map(({ name, path }) => row("td", name, path.mean.toFixed(4),
        path.max.toFixed(4), path.length.toFixed(3),
        least > 1e-3 ? (path.length / least).toFixed(3) : "\u2013")));
    redraw();
  }

  function redraw() {
    for (const { space, plan } of columns) {
      space.pane.request();
      plan.pane.request();
    }
  }

  function setEnd(e, angles) {
    chosen = e;
    ends[e] = angles.map(wrapped);
    update();
  }

  function turn(dx, dy) {
    yaw += dx;
    pitch = clamp(pitch + dy, -Math.PI / 2, Math.PI / 2);
    for (const { space } of columns) space.pane.request();
  }

  function pair() {
    const uniform = uniforms(seed++);
    ends = [0, 1].map(() => [0, 1].map(() => wrapped(TAU * uniform())));
  }

  function reset() {
    [seed, chosen, yaw, pitch] = [1, 0, 0.5, 0.75];
    ends = [[-2.2, 0.9], [2.1, -0.6]];
    update();
  }

  [ends, chosen, yaw, pitch] = [[[0, 0], [1, 1]], 0, 0, 0];
  for (const column of columns) {
    column.space = new Space(column);
    column.plan = new Map2(column);
  }
  const { pane: chart, window: square } = columns.at(-1).plan;
  drag(chart, {
    grab: (p, touch) => [0, 1].find((e) => near(p, square.at(ends[e]),
      reach(touch)))?.toString(),
    move: (held, p) => setEnd(+held, square.from(p)),
  });
  keys(chart, ([dx, dy], fast) => {
    const step = fast ? 0.25 : 0.05;
    setEnd(chosen, [ends[chosen][0] + step * dx, ends[chosen][1] + step * dy]);
  }, { a: () => { chosen = 0; redraw(); }, b: () => { chosen = 1; redraw(); } });

  const scale = new Pane("Colours of the distance from the surface", 0.06,
    (g, palette) => {
      const from = 2, wide = Math.min(scale.width - 110, 180);
      for (let k = 0; k < wide; k++) {
        g.fillStyle = heat(k / wide * FAR, palette);
        g.fillRect(from + k, 4, 1.5, 10);
      }
      g.fillStyle = palette.soft;
      g.fillText("0", from, 26);
      g.textAlign = "right";
      g.fillText(`${FAR.toFixed(2)} or more`, from + wide + 40, 26);
      g.textAlign = "left";
    });
  scale.canvas.classList.add("scale");
  body.append(
    element("div", { class: "bar" },
      button("another pair", () => { pair(); update(); }), button("reset",
        reset), element("label", {}, "distance from the surface"),
      scale.canvas),
    element("div", { class: "three" }, ...columns.map((column) =>
      element("div", { class: "turn" }, element("h4", {}, column.name),
        column.space.pane.canvas, column.plan.pane.canvas))),
    element("div", { class: "wide", tabindex: 0, role: "region",
      "aria-label": "Numbers of the paths" }, table));
  reset();
  return { setEnd, state: () => ({ ends, yaw, pitch,
    columns: columns.map(({ name, path }) => ({ name, ...path })) }) };
}
