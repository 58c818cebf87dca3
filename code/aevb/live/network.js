// Networks: what networks.py packs, unpacked and run.

// A network is { layers, integers, floats }, layers are nested lists; see
// networks.py for their meaning. `unpack` gives each its arrays, `run` maps
// n rows of inputs to n rows of outputs, all in flat Float32Arrays.

async function bytes(text) {
  const packed = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream();
  const inflated = stream.pipeThrough(new DecompressionStream("deflate"));
  return (await new Response(inflated).arrayBuffer());
}

const floats = async (text) => new Float32Array(await bytes(text));

async function unpack({ layers, integers, floats: vectors }) {
  const planes = new Uint8Array(await bytes(integers));
  const numbers = await floats(vectors);
  const half = planes.length / 2;
  let matrixAt = 0, vectorAt = 0;
  const vector = (n) => numbers.subarray(vectorAt, (vectorAt += n));
  const matrix = (inputs, outputs) => {
    const steps = vector(outputs), w = new Float32Array(inputs * outputs);
    for (let i = 0; i < w.length; i++, matrixAt++) {
      const folded = planes[matrixAt] | planes[half + matrixAt] << 8;
      const value = (folded >> 1) ^ -(folded & 1);
      w[i] = value * steps[Math.floor(i / inputs)];
    }
    return w;
  };
  const build = ([kind, a, b, c]) => {
    if (kind === "residual") return { kind, layers: a.map(build) };
    if (kind === "norm") {
      return { kind, inputs: a, eps: b, scale: vector(a), shift: vector(a) };
    }
    if (kind === "linear") {
      const w = matrix(a, b);
      const bias = c ? vector(b) : new Float32Array(b);
      return { kind, inputs: a, outputs: b, w, bias };
    }
    return { kind };
  };
  return layers.map(build);
}

function linear({ inputs, outputs, w, bias }, x, n) {
  const y = new Float32Array(n * outputs);
  for (let p = 0; p < n; p += 4) {
    // four rows share each weight; past the end they repeat the last
    const row = [0, 1, 2, 3].map((k) => Math.min(p + k, n - 1));
    const [r0, r1, r2, r3] = row.map((r) => r * inputs);
    for (let o = 0, k = 0; o < outputs; o++) {
      let s0 = bias[o], s1 = s0, s2 = s0, s3 = s0;
      for (let i = 0; i < inputs; i++, k++) {
        const v = w[k];
        s0 += v * x[r0 + i];
        s1 += v * x[r1 + i];
        s2 += v * x[r2 + i];
        s3 += v * x[r3 + i];
      }
      y[row[3] * outputs + o] = s3;
      y[row[2] * outputs + o] = s2;
      y[row[1] * outputs + o] = s1;
      y[row[0] * outputs + o] = s0;
    }
  }
  return y;
}

function norm({ inputs, eps, scale, shift }, x, n) {
  const y = new Float32Array(x.length);
  for (let p = 0; p < n; p++) {
    const h = x.subarray(p * inputs, (p + 1) * inputs);
    const mean = h.reduce((sum, v) => sum + v, 0) / inputs;
    const spread = h.reduce((sum, v) => sum + (v - mean) ** 2, 0) / inputs;
    const rate = 1 / Math.sqrt(spread + eps);
    for (let i = 0; i < inputs; i++) {
      y[p * inputs + i] = (h[i] - mean) * rate * scale[i] + shift[i];
    }
  }
  return y;
}

// Abramowitz and Stegun 7.1.26: |error| below 1.5e-7.
function erf(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741
    + t * (-1.453152027 + t * 1.061405429))));
  return Math.sign(x) * (1 - series * Math.exp(-x * x));
}

const gelu = (v) => 0.5 * v * (1 + erf(v * Math.SQRT1_2));

function product(x, n) {
  const width = x.length / n / 2;
  return Float32Array.from({ length: n * width }, (_, k) => {
    const at = Math.floor(k / width) * 2 * width + (k % width);
    return x[at] * x[at + width];
  });
}

function run(layers, x, n = 1) {
  const plus = (a, b) => a.map((v, i) => v + b[i]);
  for (const layer of layers) {
    if (layer.kind === "linear") x = linear(layer, x, n);
    else if (layer.kind === "norm") x = norm(layer, x, n);
    else if (layer.kind === "gelu") x = x.map(gelu);
    else if (layer.kind === "product") x = product(x, n);
    else x = plus(x, run(layer.layers, x, n));
  }
  return x;
}

const sigmoid = (l) => 1 / (1 + Math.exp(-l));

// Repeatable uniform numbers in [0, 1) (mulberry32), and normal ones.
function uniforms(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function normals(seed) {
  const uniform = uniforms(seed);
  return () => Math.sqrt(-2 * Math.log(1 - uniform()))
    * Math.cos(2 * Math.PI * uniform());
}
