// Figures that answer back (website/live.py). A module and its data are fetched when the still comes near the window; where
// that fails, or in a page opened as a file, the still stays. What went wrong is kept at the place, for the tests.

function enliven() {
  const places = document.querySelectorAll(".live[data-live]");
  if (location.protocol === "file:") return places.forEach((place) => place.classList.add("still")); // no modules there
  const watcher = new IntersectionObserver(
    (entries) => entries.filter((entry) => entry.isIntersecting).forEach(({ target }) => {
      watcher.unobserve(target);
      mountLive(target);
    }),
    { rootMargin: "50% 0%" },
  );
  places.forEach((place) => watcher.observe(place));
}

async function fetchData(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url.pathname}: ${answer.status}`);
  return answer.json();
}

async function mountLive(place) {
  const { live, folder, file, address, label } = place.dataset;
  const at = new URL(`${document.documentElement.dataset.content_root}_static/${folder}/`, location.href);
  const root = document.createElement("div");
  root.className = "live-drawing";
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", label);
  try {
    const [figure, kit, data] = await Promise.all([
      import(new URL(`${live}.js`, at)),
      import(new URL("kit.js", at)),
      file && fetchData(new URL(file, at)),
    ]);
    place.append(root);
    place.classList.add("answers");
    await figure.mount(root, file ? kit.decode(data) : address && { address });
    place.dataset.ready = "";
  } catch (error) {
    root.remove();
    place.classList.remove("answers");
    place.classList.add("still");
    place.dataset.failed = error;
  }
}

document.addEventListener("DOMContentLoaded", enliven);
