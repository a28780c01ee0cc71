// What a link leads to, shown beside it: equations, theorems, figures, tables, exercises, works, terms, errata. The mouse
// waits on a link, the keyboard comes to it, a finger taps it once (and again to go there). What stands on this page is
// copied; from another page it is cut, unless the book was opened as a file, which may not fetch.

const PREVIEWED = /^(equation|fig|tab|thm|def|lem|prop|cor|alg|ex|term|errata|sym)-|^id\d+$/;
const WAIT = { show: 250, hide: 200 }; // milliseconds
const EDGE = 8; // pixels that stay free at the sides of the window

// what is shown for a link: {page, id}, or nothing
function targetOf(href, here) {
  const url = new URL(href, here);
  const id = decodeURIComponent(url.hash.slice(1));
  return url.origin === new URL(here).origin && PREVIEWED.test(id) ? { page: url.href.split("#")[0], id } : undefined;
}

// where the box lies: below the link if there is room or more than above, and never out of the window
function placeFor(link, box, view) {
  const left = Math.max(EDGE, Math.min(link.left, view.width - box.width - EDGE));
  const [above, below] = [link.top - 2 * EDGE, view.height - link.bottom - 2 * EDGE];
  const under = box.height <= below || below >= above;
  const height = Math.min(box.height, under ? below : above);
  return { left, top: under ? link.bottom + EDGE : link.top - EDGE - height, height };
}

// of an element with an id, or an empty mark before one, the part of the page that it names
function blockOf(page, id) {
  const found = page.getElementById(id);
  if (!found) return undefined;
  if (/^errata-/.test(id)) return found.closest("section");
  const mark = found.localName === "span" && !found.textContent.trim() ? found.nextElementSibling : found;
  if (mark?.localName !== "dt") return mark ?? undefined;
  const entry = page.createElement("dl");
  entry.append(mark.cloneNode(true), mark.nextElementSibling?.cloneNode(true) ?? "");
  return entry;
}

// a copy without names, which are those of the original, and with addresses that hold on any page
function copyOf(block, base) {
  const copy = document.importNode(block, true);
  copy.querySelectorAll(".headerlink, .backrefs, .label, script, button").forEach((part) => part.remove());
  for (const part of [copy, ...copy.querySelectorAll("*")]) {
    for (const name of ["id", "aria-describedby", "aria-labelledby", "tabindex"]) part.removeAttribute(name);
    for (const name of ["href", "src"])
      if (part.hasAttribute(name)) part.setAttribute(name, new URL(part.getAttribute(name), base).href);
    if (part.localName === "img") part.loading = "eager";
  }
  return copy;
}

const fetched = new Map(); // of other pages, each asked for once
function pageAt(address) {
  if (address === location.href.split("#")[0]) return document;
  if (location.protocol === "file:") return undefined;
  if (!fetched.has(address))
    fetched.set(address, fetch(address)
      .then(async (answer) => (answer.ok ? new DOMParser().parseFromString(await answer.text(), "text/html") : undefined))
      .catch(() => fetched.delete(address) && undefined)); // the next time may be luckier
  return fetched.get(address);
}

function startPreviews(article) {
  const box = document.createElement("div");
  box.id = "preview";
  box.className = "preview bd-article"; // what it shows looks as it does in the text
  box.hidden = true;
  document.body.append(box);
  let shown; // the link whose target is seen, or will be
  let timer;
  let finger = false;

  const hide = () => {
    clearTimeout(timer);
    if (shown?.getAttribute("aria-describedby") === box.id) shown.removeAttribute("aria-describedby");
    shown = undefined;
    box.hidden = true;
  };
  const later = (work, wait) => {
    clearTimeout(timer);
    timer = setTimeout(work, wait);
  };

  async function show(link, tapped) {
    hide();
    shown = link;
    const { page, id } = targetOf(link.href, location.href);
    const source = await pageAt(page);
    const block = source && blockOf(source, id);
    if (shown !== link) return; // the reader has gone on
    if (!block) return tapped ? location.assign(link.href) : hide();
    link.removeAttribute("title"); // the browser would show it above
    box.replaceChildren(copyOf(block, page));
    if (tapped) box.append(go(link));
    box.setAttribute("role", tapped ? "group" : "tooltip"); // a tooltip holds nothing to act on
    box.ariaLabel = "Preview";
    box.hidden = false;
    box.style.maxHeight = "";
    await Promise.all([...box.querySelectorAll("img")].map((image) => image.decode().catch(() => {})));
    if (shown !== link) return;
    const lines = [...link.getClientRects()];
    const view = { width: document.documentElement.clientWidth, height: innerHeight };
    const at = placeFor(lines.at(-1), box.getBoundingClientRect(), view);
    box.style.left = `${at.left + scrollX}px`;
    box.style.top = `${at.top + scrollY}px`;
    box.style.maxHeight = `${Math.min(at.height, 0.6 * view.height)}px`;
    link.setAttribute("aria-describedby", box.id);
  }

  function go(link) {
    const line = document.createElement("p");
    line.className = "preview-go";
    const there = document.createElement("a");
    there.href = link.href;
    there.textContent = "Go there";
    there.addEventListener("click", hide);
    line.append(there);
    return line;
  }

  const linkAt = (event) => {
    const link = event.target.closest?.("a.reference.internal[href*='#']");
    return link && article.contains(link) && targetOf(link.href, location.href) ? link : undefined;
  };
  article.addEventListener("pointerover", (event) => {
    const link = event.pointerType !== "touch" && linkAt(event);
    if (link) later(() => link !== shown && show(link), link === shown ? 0 : WAIT.show);
  });
  article.addEventListener("pointerout", (event) => event.pointerType !== "touch" && linkAt(event) && later(hide, WAIT.hide));
  box.addEventListener("pointerenter", () => clearTimeout(timer));
  box.addEventListener("pointerleave", (event) => event.pointerType !== "touch" && later(hide, WAIT.hide));
  article.addEventListener("focusin", (event) => {
    const link = linkAt(event);
    if (link?.matches(":focus-visible") && !finger) later(() => show(link), WAIT.show);
  });
  article.addEventListener("focusout", (event) => linkAt(event) && !finger && later(hide, WAIT.hide));
  document.addEventListener("pointerdown", (event) => {
    finger = event.pointerType === "touch";
    if (finger && !box.contains(event.target) && linkAt(event) !== shown) hide();
  }, true);
  article.addEventListener("click", (event) => {
    const link = linkAt(event);
    if (!link) return;
    if (!finger || link === shown) return hide();
    event.preventDefault();
    show(link, true);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hide();
    finger = false;
  });
}

document.addEventListener("DOMContentLoaded", () => {
  const article = document.querySelector("article.bd-article");
  if (article) startPreviews(article);
});
