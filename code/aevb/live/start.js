// Every explorer starts when the reader comes near it.

const explorers = { plane, bound, estimators, torus };
const networks = {};

// A network of the page by its id, unpacked once.
function network(id) {
  networks[id] ??= unpack(JSON.parse(document.getElementById(id).textContent));
  return networks[id];
}

const live = { ready: {}, unpack, run, sigmoid };
window.aevbLive = live;

function start(figure) {
  const name = figure.dataset.live;
  const config = JSON.parse(figure.querySelector("script").textContent);
  const body = figure.querySelector(".live-body");
  live.ready[figure.id] = explorers[name](figure, body, config).then((made) => {
    figure.classList.add("live-on");
    return made;
  });
}

function begin() {
  const seen = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      seen.unobserve(target);
      start(target);
    }
  }, { rootMargin: "20%" });
  for (const figure of document.querySelectorAll("figure[data-live]")) {
    figure.hidden = false;
    seen.observe(figure);
  }
}

if (document.readyState === "loading") {
  document.addEventListener("DOMContentLoaded", begin);
} else begin();
