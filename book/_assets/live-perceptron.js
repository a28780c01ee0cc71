// The perceptron of the landing page: one correction a click, as Rosenblatt's rule makes them. Until the first click, and
// without scripts, the page shows the still of a machine that has learned.
function livePerceptron(figure) {
  const svg = figure.querySelector("svg"), says = figure.querySelector("figcaption");
  const [step, again] = figure.querySelectorAll("button");
  const points = [...svg.querySelectorAll("[data-x]")].map((shape) => ({
    x: [Number(shape.dataset.x), Number(shape.dataset.y)],
    y: shape.classList.contains("positive") ? 1 : -1,
  }));
  const boundary = svg.querySelector(".boundary"), look = svg.querySelector(".look"), half = svg.querySelector(".half-positive");
  const side = 3.2; // the drawing shows -side..side both ways, 100 units a unit
  let weight, bias, at, corrections;

  const score = (x) => weight[0] * x[0] + weight[1] * x[1] + bias;
  const pixel = ([x, y]) => [100 * (x + side), 100 * (side - y)];

  function draw() {
    const length = Math.hypot(...weight);
    half.setAttribute("points", "");
    boundary.toggleAttribute("hidden", length === 0);
    if (length === 0) return boundary.setAttribute("d", "");
    const normal = weight.map((w) => w / length), foot = normal.map((n) => (-bias / length) * n), far = 20;
    const along = [-normal[1], normal[0]];
    const ends = [-far, far].map((t) => [foot[0] + t * along[0], foot[1] + t * along[1]]);
    const corners = [...ends, ...[...ends].reverse().map((p) => [p[0] + far * normal[0], p[1] + far * normal[1]])];
    boundary.setAttribute("d", "M" + ends.map((p) => pixel(p).map(Math.round)).join(" L"));
    half.setAttribute("points", corners.map((p) => pixel(p).map(Math.round)).join(" "));
  }

  function correct() {
    for (let tried = 0; tried < points.length; tried++, at = (at + 1) % points.length) {
      const { x, y } = points[at];
      if (y * score(x) > 0) continue;
      weight = [weight[0] + y * x[0], weight[1] + y * x[1]];
      bias += y;
      corrections++;
      const [cx, cy] = pixel(x);
      look.setAttribute("cx", cx), look.setAttribute("cy", cy), look.setAttribute("r", 24);
      says.textContent = `Correction ${corrections}: the ringed ${y > 0 ? "circle" : "square"} was on the wrong side, so the line moved toward it.`;
      return draw();
    }
    look.setAttribute("r", 0);
    says.textContent = `Every point is on its side: after ${corrections} corrections the machine has stopped.`;
    step.disabled = true;
  }

  function restart() {
    [weight, bias, at, corrections] = [[0, 0], 0, 0, 0];
    step.disabled = false;
    look.setAttribute("r", 0);
    says.textContent = "It knows nothing yet: no line. It will look at one point after another, and change only when it is wrong.";
    draw();
  }

  figure.querySelector(".controls").hidden = false;
  again.hidden = true;
  step.textContent = "Forget everything";
  const begin = () => {
    step.textContent = "One correction";
    again.hidden = false;
    step.onclick = correct;
    restart();
  };
  step.onclick = begin;
  again.onclick = restart;
}
document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("figure.hero-live").forEach(livePerceptron));
