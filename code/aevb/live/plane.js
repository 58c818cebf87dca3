// The plane: codes coloured by digit, a point that decodes, a walk.

// Images of 4 bits a pixel, two to a byte, as values in [0, 1].
function greys(packed) {
  return (i) => Float32Array.from({ length: 784 }, (_, k) => {
    const at = i * 784 + k;
    return ((packed[at >> 1] >> (at % 2 ? 0 : 4)) & 15) / 15;
  });
}

async function plane(figure, body, config) {
  const image = greys(new Uint8Array(await bytes(config.images)));
  const labels = config.labels;
  const models = await Promise.all(config.models.map(async (model) => ({
    ...model,
    codes: await floats(model.codes),
    layers: await network(model.decoder),
  })));
  const STRIP = 9;
  let model, point, start, end, share, shown, grid, walking;

  const code = (i) => [model.codes[2 * i], model.codes[2 * i + 1]];
  const decoded = (z, n = 1) => run(model.layers, Float32Array.from(z), n)
    .map(sigmoid);
  const nearest = (z, within = Infinity) => {
    let best, least = within;
    for (let i = 0; i < labels.length; i++) {
      const d = Math.hypot(model.codes[2 * i] - z[0],
        model.codes[2 * i + 1] - z[1]);
      if (d < least) { least = d; best = i; }
    }
    return best;
  };
  const between = (t) => code(start).map(
    (v, k) => v + t * (code(end)[k] - v));

  const map = new Pane("The latent plane with the codes of test images; "
    + "arrow keys move the point, a and b set the ends of the walk", 1,
  (g, palette) => {
    view.axes(g, palette);
    g.save();
    g.beginPath();
    g.rect(view.margin, 0, 2 * view.half * view.scale,
      2 * view.half * view.scale);
    g.clip();
    if (tiles.checked) drawTiles(g, palette);
    if (model.prior) {
      g.strokeStyle = palette.soft;
      g.setLineDash([4, 4]);
      for (const radius of [1, 2, 3]) {
        g.beginPath();
        g.arc(...view.at([0, 0]), radius * view.scale, 0, 2 * Math.PI);
        g.stroke();
      }
      g.setLineDash([]);
    }
    const size = clamp(map.width / 180, 1.6, 3);
    for (let i = 0; i < labels.length; i++) {
      disc(g, view.at(code(i)), size, palette[`digit-${labels[i]}`]);
    }
    line(g, [view.at(code(start)), view.at(code(end))], palette.ink);
    for (const [name, i] of [["A", start], ["B", end]]) {
      disc(g, view.at(code(i)), 9, palette.paper, palette.ink);
      const [x, y] = view.at(code(i));
      g.fillStyle = palette.ink;
      g.textAlign = "center";
      g.fillText(name, x, y + 4);
    }
    if (shown !== undefined) {
      disc(g, view.at(code(shown)), 5, "transparent", palette.ink);
    }
    disc(g, view.at(point), 7, palette.orange, palette.paper);
    g.restore();
  });
  const view = new Window(map);

  // the decoder's images on a lattice, as a ground for the codes
  function drawTiles(g, palette) {
    const n = 13, size = 2 * view.half / n;
    if (!grid) {
      const z = [];
      for (let k = 0; k < n * n; k++) {
        z.push(view.x - view.half + size * (k % n + 0.5),
          view.y + view.half - size * (Math.floor(k / n) + 0.5));
      }
      grid = decoded(z, n * n);
    }
    g.globalAlpha = 0.55;
    for (let k = 0; k < n * n; k++) {
      const side = size * view.scale;
      stamp(g, grid.subarray(784 * k, 784 * (k + 1)),
        view.margin + side * (k % n), side * Math.floor(k / n), side + 0.5,
        palette);
    }
    g.globalAlpha = 1;
  }

  const out = new Pane("The decoded image", 1, (g, palette) => {
    stamp(g, decoded(point), 0, 0, out.width, palette);
  });
  const test = new Pane("A test image", 1, (g, palette) => {
    stamp(g, image(shown ?? nearest(point)), 0, 0, test.width, palette);
  });
  const strip = new Pane("Decoded images along the line from A to B, between "
    + "the two test images", 1 / (STRIP + 2), (g, palette) => {
    const side = strip.width / (STRIP + 2);
    const z = Array.from({ length: STRIP },
      (_, k) => between(k / (STRIP - 1))).flat();
    const images = decoded(z, STRIP);
    stamp(g, image(start), 0, 0, side - 6, palette);
    stamp(g, image(end), side * (STRIP + 1) + 6, 0, side - 6, palette);
    for (let k = 0; k < STRIP; k++) {
      stamp(g, images.subarray(784 * k, 784 * (k + 1)), side * (k + 1), 0,
        side - 2, palette);
    }
  });
  const outText = element("output"), testText = element("output");

  function update(all = true) {
    outText.textContent = `decoded from z = ${place(point)}`;
    const i = shown ?? nearest(point);
    testText.textContent = `${shown === undefined ? "nearest" : "pointed at"}`
      + `: test image of a ${labels[i]}`;
    map.request();
    out.request();
    test.request();
    if (all) strip.request();
  }

  function go(z, onLine) {
    point = z;
    if (!onLine) stop();
    update(false);
  }

  function ends(i, j) {
    [start, end] = [i, j];
    share = 0;
    walk.set(0);
    update();
  }

  const walk = slider("from A to B", { min: 0, max: 1, step: 0.01, value: 0 },
    (t) => t.toFixed(2), (t) => { stop(); share = t; go(between(t), true); });

  function stop() {
    cancelAnimationFrame(walking);
    walking = undefined;
    play.textContent = "walk";
  }
  const play = button("walk", () => {
    if (walking) return stop();
    if (share >= 1) share = 0;
    let last = performance.now();
    const step = (now) => {
      share = Math.min(1, share + Math.max(now - last, 0) / 4000);
      last = now;
      walk.set(share);
      go(between(share), true);
      if (share < 1) walking = requestAnimationFrame(step);
      else stop();
    };
    play.textContent = "stop";
    walking = requestAnimationFrame(step);
  }, "walk from A to B in four seconds");

  function choose(i) {
    // the same images in another plane: what is marked moves with them
    const kept = model && nearest(point);
    stop();
    model = models[i];
    grid = shown = undefined;
    const spread = [0, 1].map((k) => {
      const all = model.codes.filter((_, j) => j % 2 === k).sort();
      const [low, high] = [0.005, 0.995].map(
        (s) => all[Math.floor(s * (all.length - 1))]);
      return [(low + high) / 2, (high - low) / 2];
    });
    const half = 1.08 * Math.max(spread[0][1], spread[1][1]);
    if (model.prior) view.look(0, 0, clamp(half, 3, 4.5));
    else view.look(spread[0][0], spread[1][0], half);
    if (kept !== undefined) point = code(kept);
    update();
  }

  const tiles = element("input", { type: "checkbox",
    onchange: () => map.request() });
  const which = choices("model", models.map((m) => m.name), choose);

  drag(map, {
    grab: (p, touch) => {
      for (const [name, z] of [["point", point], ["A", code(start)],
        ["B", code(end)]]) {
        if (near(p, view.at(z), reach(touch))) return name;
      }
      return touch ? undefined : "point";
    },
    move: (held, p) => {
      const z = view.from(p).map((v, k) => clamp(v,
        (k ? view.y : view.x) - view.half, (k ? view.y : view.x) + view.half));
      shown = undefined;
      if (held === "point") return go(z);
      if (held === "A") ends(nearest(z), end);
      else ends(start, nearest(z));
    },
    hover: (p) => {
      const i = p && nearest(view.from(p), 8 / view.scale);
      if (i !== shown) { shown = i; update(false); }
    },
    tap: (p) => go(view.from(p)),
  });
  const setA = () => ends(nearest(point), end);
  const setB = () => ends(start, nearest(point));
  keys(map, ([dx, dy], fast) => {
    const step = view.half * (fast ? 0.1 : 0.02);
    go([point[0] + dx * step, point[1] + dy * step]);
  }, { a: setA, b: setB });

  function reset() {
    choose(0);
    which.set(0);
    tiles.checked = false;
    const one = labels.indexOf(4), other = labels.indexOf(0);
    ends(Math.max(one, 0), other < 0 ? labels.length - 1 : other);
    go(model.prior ? [0.4, 0.4] : between(0.5));
  }

  [model, point, start, end, share] = [models[0], [0, 0], 0, 0, 0];
  const legend = element("p", { class: "legend" });
  for (let d = 0; d < 10; d++) {
    legend.append(element("span", { style:
      `--dot: var(--live-digit-${d})` }, String(d)));
  }
  body.append(
    element("div", { class: "bar" }, models.length > 1 ? which : "",
      element("label", {}, tiles, "decoded images behind"),
      button("reset", reset)),
    element("div", { class: "two" },
      element("div", {}, map.canvas, legend),
      element("div", { class: "side" }, out.canvas, outText, test.canvas,
        testText)),
    element("div", { class: "bar" }, button("A here", setA,
      "the walk starts at the code nearest the point"),
    button("B here", setB, "the walk ends at the code nearest the point"),
    play, walk),
    strip.canvas);
  reset();
  return { decode: (i, z, n) => run(models[i].layers, Float32Array.from(z), n)
    .map(sigmoid), state: () => ({ point, start, end, share, shown,
    model: models.indexOf(model) }), choose };
}
