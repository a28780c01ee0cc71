// What a link leads to, shown beside it when the mouse waits on it, the keyboard comes to it, or a finger taps it (and
// again to go there). From another page it is cut, but a file may not fetch. A chapter shows what one will do there, and to
// it a finger goes at once.

const PREVIEWED = /^(equation|fig|tab|thm|def|lem|prop|cor|alg|ex|term|errata|symbols?|ch)-|^id\d+$/;
const [SHOW, HIDE] = [250, 200]; // milliseconds
const EDGE = 8;

function targetOf(href, here) {
  const url = new URL(href, here);
  const id = decodeURIComponent(url.hash.slice(1));
  return url.origin === new URL(here).origin && PREVIEWED.test(id) && { page: url.href.split("#")[0], id };
}

// below if there is room, or more than above
function placeFor(link, box, view) {
  const [above, below] = [link.top - 2 * EDGE, view.height - link.bottom - 2 * EDGE];
  const under = box.height <= below || below >= above;
  const height = Math.min(box.height, under ? below : above);
  const left = Math.max(EDGE, Math.min(link.left, view.width - box.width - EDGE));
  return { left, top: under ? link.bottom + EDGE : link.top - EDGE - height, height };
}

const within = (page, name, ...parts) => {
  const whole = page.createElement(name);
  whole.append(...parts.map((part) => part.cloneNode(true)));
  return whole;
};

// what an id names: an element, or the one behind an empty mark; of a chapter its title and the first of its list
function blockOf(page, id) {
  const found = page.getElementById(id);
  if (found && id.startsWith("errata-")) return found.closest("section");
  const block = found?.localName === "span" && !found.textContent.trim() ? found.nextElementSibling : found;
  if (found && id.startsWith("ch-")) {
    const will = page.querySelectorAll("dl.at-a-glance > :is(dt, dd):nth-child(-n + 2)");
    return will.length ? within(page, "div", within(page, "strong", ...page.querySelector("h1").childNodes), within(page, "dl", ...will)) : undefined;
  }
  if (block?.localName === "dt") return within(page, "dl", block, block.nextElementSibling);
  if (/^t(body|r)$/.test(block?.localName)) {
    const table = block.closest("table");
    const copy = within(page, "table", table.tHead, block);
    copy.className = table.className;
    return copy;
  }
  return block;
}

// ids stay with the original; addresses hold on any page
function copyOf(block, base) {
  const copy = document.importNode(block, true);
  copy.querySelectorAll(".headerlink, .backrefs, .label, button, .live-drawing").forEach((e) => e.remove());
  for (const place of copy.querySelectorAll(".live")) { // of a figure that answers back, the still
    place.classList.remove("answers");
    delete place.dataset.live;
  }
  for (const part of [copy, ...copy.querySelectorAll("*")]) {
    for (const name of ["id", "role", "aria-describedby", "tabindex", "loading"]) part.removeAttribute(name);
    for (const name of ["href", "src"])
      if (part.hasAttribute(name)) part.setAttribute(name, new URL(part.getAttribute(name), base).href);
  }
  return copy;
}

const fetched = new Map();
function pageAt(address) {
  if (address === location.href.split("#")[0]) return document;
  if (location.protocol === "file:") return undefined;
  if (!fetched.has(address))
    fetched.set(address, fetch(address)
      .then(async (answer) => answer.ok && new DOMParser().parseFromString(await answer.text(), "text/html"))
      .catch(() => void fetched.delete(address)));
  return fetched.get(address);
}

function startPreviews(article) {
  const box = document.createElement("div");
  Object.assign(box, { id: "preview", className: "preview bd-article", hidden: true });
  document.body.append(box);
  let shown, timer, finger; // the link that is shown or waits for its page
  const later = (work, wait) => {
    clearTimeout(timer);
    timer = setTimeout(work, wait);
  };
  const hide = () => {
    clearTimeout(timer);
    shown?.removeAttribute("aria-describedby");
    shown = undefined;
    box.hidden = true;
    box.tabIndex = -1;
  };

  async function show(link) {
    hide();
    shown = link;
    const tapped = finger;
    const { page, id } = targetOf(link.href, location.href);
    const source = await pageAt(page);
    const block = source && blockOf(source, id);
    if (shown !== link) return; // the reader went on
    if (!block) return tapped ? location.assign(link.href) : hide();
    link.removeAttribute("title");
    box.replaceChildren(copyOf(block, page));
    if (tapped) box.insertAdjacentHTML("beforeend", `<p class="preview-go"><a href="${link.href}">Go there</a></p>`);
    box.setAttribute("role", tapped ? "group" : "tooltip"); // nobody acts in a tooltip
    box.style = "left: 0; top: 0; visibility: hidden";
    box.hidden = false;
    await Promise.all([...box.querySelectorAll("img")].map((image) => image.decode().catch(() => {})));
    if (shown !== link) return;
    const view = { width: document.documentElement.clientWidth, height: innerHeight };
    const at = placeFor([...link.getClientRects()].at(-1), box.getBoundingClientRect(), view);
    box.style = `left: ${at.left + scrollX}px; top: ${at.top + scrollY}px; max-height: ${at.height}px`;
    if (box.scrollHeight > box.clientHeight) box.tabIndex = 0;
    link.setAttribute("aria-describedby", box.id);
  }

  const linkAt = (event) => {
    const link = event.target.closest?.("a.reference.internal[href*='#']");
    const target = link && article.contains(link) && targetOf(link.href, location.href);
    return target && !(finger && target.id.startsWith("ch-")) && link;
  };
  const come = (event) => {
    if (event.pointerType) finger = event.pointerType === "touch";
    const link = !finger && linkAt(event);
    if (link) later(() => link !== shown && show(link), SHOW);
  };
  const leave = (event) => !finger && (event.currentTarget === box || linkAt(event)) && later(hide, HIDE);
  document.addEventListener("pointerdown", (event) => {
    finger = event.pointerType === "touch";
    if (finger && !box.contains(event.target) && linkAt(event) !== shown) hide();
  }, true);
  article.addEventListener("pointerover", come);
  article.addEventListener("pointerout", leave);
  article.addEventListener("focusin", (event) => event.target.matches(":focus-visible") && come(event));
  article.addEventListener("focusout", leave);
  box.addEventListener("pointerenter", () => clearTimeout(timer));
  box.addEventListener("pointerleave", leave);
  article.addEventListener("click", (event) => {
    const link = linkAt(event);
    if (!link || !finger || link === shown) return hide();
    event.preventDefault();
    show(link);
  });
  box.addEventListener("click", (event) => event.target.closest("a") && hide());
  document.addEventListener("keydown", (event) => {
    finger = false;
    if (event.key === "Escape") hide();
  });
}

document.addEventListener("DOMContentLoaded", () => {
  const article = document.querySelector("article.bd-article");
  if (article) startPreviews(article);
});
