// The estimators of KL(N(mu, sigma^2) || N(0, 1)) in one dimension.

// With z = mu + sigma eps a sample of the KL is log q(z) - log p(z). Its
// derivatives are taken along z (STL), or with the score's as well (SGVB).
function klSample(mu, sigma, eps) {
  const z = mu + sigma * eps;
  return {
    value: (z * z - eps * eps) / 2 - Math.log(sigma),
    sgvb: [z, z * eps - 1 / sigma],
    stl: [z - eps / sigma, eps * (z - eps / sigma)],
  };
}

const klExact = (mu, sigma) => ({
  value: (mu * mu + sigma * sigma - 1) / 2 - Math.log(sigma),
  gradient: [mu, sigma - 1 / sigma],
  // standard deviation of one sample of the value
  spread: Math.hypot(mu * sigma, (sigma * sigma - 1) / Math.SQRT2),
});

function summary(values) {
  const n = values.length, mean = values.reduce((a, b) => a + b, 0) / n;
  const squares = values.reduce((a, b) => a + (b - mean) ** 2, 0);
  const spread = n > 1 ? Math.sqrt(squares / (n - 1)) : NaN;
  return { mean, spread, error: spread / Math.sqrt(n) };
}

async function estimators(figure, body) {
  const start = { mu: 1, log2: -1, power: 8, seed: 1 };
  let now = { ...start }, samples, exact, sigma;

  const running = new Pane("Running Monte Carlo estimate of the KL against "
    + "the number of samples, and the closed form", 0.42, (g, palette) => {
    const left = 44, right = running.width - 8, top = 10;
    const base = running.height - 28, S = samples.length;
    const reach = Math.max(1.1 * exact.spread, 0.05);
    const px = (s) => left + (right - left)
      * (S > 1 ? Math.log(s) / Math.log(S) : 0);
    const py = (v) => (top + base) / 2
      - (v - exact.value) / reach * (base - top) / 2;
    g.strokeStyle = palette.line;
    g.fillStyle = palette.soft;
    const step = ticks(reach / 2);
    g.textAlign = "right";
    for (let k = Math.ceil((exact.value - reach) / step);
      k * step <= exact.value + reach; k++) {
      line(g, [[left, py(k * step)], [right, py(k * step)]], palette.line, 1);
      g.fillText(signed(k * step, Math.max(0, -Math.floor(Math.log10(step)))),
        left - 5, py(k * step) + 4);
    }
    g.textAlign = "center";
    for (let s = 1; s <= S; s *= 4) {
      g.fillText(String(s), clamp(px(s), left + 4, right - 12), base + 15);
    }
    g.save();
    g.beginPath();
    g.rect(left, top, right - left, base - top);
    g.clip();
    const band = Array.from({ length: 101 }, (_, k) => S ** (k / 100));
    g.beginPath();
    for (const s of band) {
      g.lineTo(px(s), py(exact.value + exact.spread / Math.sqrt(s)));
    }
    for (const s of band.reverse()) {
      g.lineTo(px(s), py(exact.value - exact.spread / Math.sqrt(s)));
    }
    g.globalAlpha = 0.18;
    g.fillStyle = palette.blue;
    g.fill();
    g.globalAlpha = 1;
    g.setLineDash([6, 4]);
    line(g, [[left, py(exact.value)], [right, py(exact.value)]], palette.ink,
      1.5);
    g.setLineDash([]);
    let sum = 0;
    line(g, samples.map(({ value }, i) => {
      sum += value;
      return [px(i + 1), py(sum / (i + 1))];
    }), palette.blue, 2);
    g.restore();
  });

  const ROWS = [["SGVB", "sgvb", "blue"], ["closed form", null, "ink"],
    ["STL", "stl", "orange"]];
  const gradient = (d, name) => {
    const pane = new Pane(`Samples of the derivative by ${name}, by `
      + "each estimator, with mean and standard error", 0.55, (g, palette) => {
      const truth = exact.gradient[d], { mu } = now;
      const wide = d ? Math.hypot(mu, Math.SQRT2 * sigma) : sigma;
      const steep = Math.abs(sigma - 1 / sigma);
      const other = d ? Math.hypot(mu, Math.SQRT2 * steep) : steep;
      const reach = 3.2 * Math.max(wide, other, 0.2);
      const left = 74, right = pane.width - 8, base = pane.height - 24;
      const px = (v) => (left + right) / 2
        + (v - truth) / reach * (right - left) / 2;
      const step = ticks(reach / 2);
      g.textAlign = "center";
      g.fillStyle = palette.soft;
      for (let k = Math.ceil((truth - reach) / step);
        k * step <= truth + reach; k++) {
        line(g, [[px(k * step), 4], [px(k * step), base]], palette.line, 1);
        g.fillText(signed(k * step,
          Math.max(0, -Math.floor(Math.log10(step)))), px(k * step),
        base + 15);
      }
      g.setLineDash([6, 4]);
      line(g, [[px(truth), 4], [px(truth), base]], palette.ink, 1);
      g.setLineDash([]);
      ROWS.forEach(([label, key, colour], row) => {
        const y = 4 + (base - 4) * (row + 0.5) / 3;
        g.fillStyle = palette.ink;
        g.textAlign = "left";
        g.fillText(label, 2, y + 4);
        if (!key) return disc(g, [px(truth), y], 5, palette[colour]);
        const values = samples.map((s) => s[key][d]);
        g.globalAlpha = 0.35;
        const shift = uniforms(7);
        for (const v of values.slice(0, 400)) {
          const jitter = (shift() - 0.5) * (base / 5);
          if (px(v) >= left) disc(g, [px(v), y + jitter], 2, palette[colour]);
        }
        g.globalAlpha = 1;
        const { mean: m, error } = summary(values);
        line(g, [[px(m - error), y], [px(m + error), y]], palette.ink, 2);
        disc(g, [px(m), y], 5, palette[colour], palette.paper);
      });
    });
    return pane;
  };
  const panes = [running, gradient(0, "\u03bc"), gradient(1, "\u03c3")];
  const table = element("table");
  const text = element("output", { "aria-live": "polite", class: "numbers" });

  function update() {
    sigma = 2 ** now.log2;
    const noise = normals(now.seed);
    samples = Array.from({ length: 2 ** now.power },
      () => klSample(now.mu, sigma, noise()));
    exact = klExact(now.mu, sigma);
    const value = summary(samples.map((s) => s.value));
    const cell = ({ mean: m, spread }) =>
      `${signed(m, 3)} (s = ${spread.toFixed(3)})`;
    const of = (key) => [0, 1].map(
      (d) => cell(summary(samples.map((s) => s[key][d]))));
    table.replaceChildren(
      row("th", "estimator", "KL", "dKL / d\u03bc", "dKL / d\u03c3"),
      row("td", "SGVB", cell(value), ...of("sgvb")),
      row("td", "STL", cell(value), ...of("stl")),
      row("td", "closed form", signed(exact.value, 3),
        ...exact.gradient.map((v) => signed(v, 3))));
    const away = Math.abs(value.mean - exact.value) / value.error;
    text.textContent = `S = ${samples.length}: the KL is `
      + `${signed(value.mean, 3)} \u00b1 ${value.error.toFixed(3)} = s / `
      + `\u221aS from samples, ${signed(exact.value, 3)} in closed form`
      + (Number.isFinite(away) ? `, ${away.toFixed(1)} standard errors away.`
        : ".");
    for (const pane of panes) pane.request();
  }

  const set = (name) => (v) => { now[name] = v; update(); };
  const sliders = {
    mu: slider("mean \u03bc", { min: -3, max: 3, step: 0.05, value: now.mu },
      signed, set("mu")),
    log2: slider("deviation \u03c3", { min: -3, max: 1.5, step: 0.05,
      value: now.log2 }, (v) => (2 ** v).toFixed(2), set("log2")),
    power: slider("samples S", { min: 0, max: 12, step: 1,
      value: now.power }, (v) => String(2 ** v), set("power")),
  };
  body.append(
    element("div", { class: "bar" }, ...Object.values(sliders)),
    element("div", { class: "bar" },
      button("new noise", () => { now.seed++; update(); }),
      button("q = p", () => {
        Object.assign(now, { mu: 0, log2: 0 });
        for (const k of ["mu", "log2"]) sliders[k].set(0);
        update();
      }, "mu = 0 and sigma = 1, where the KL is zero"),
      button("reset", () => {
        now = { ...start };
        for (const [k, made] of Object.entries(sliders)) made.set(now[k]);
        update();
      })),
    element("h4", {}, "the KL from the first 1, 2, ... S samples"),
    running.canvas, text,
    element("div", { class: "pair" },
      element("div", {}, element("h4", {}, "its derivative by \u03bc"),
        panes[1].canvas),
      element("div", {}, element("h4", {}, "its derivative by \u03c3"),
        panes[2].canvas)),
    element("div", { class: "wide", tabindex: 0, role: "region",
      "aria-label": "Numbers of the estimators" }, table));
  update();
  return { state: () => ({ ...now, sigma, samples, exact }) };
}
