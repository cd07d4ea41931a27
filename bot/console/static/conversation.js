// A conversation as it happens: new entries below, older ones above, notes with names, lessons.

import { start as compose } from "./composer.js";
import { ask, live, nodes, submit } from "./console.js";

const NEAR = 120; // pixels from the end that still count as reading along

/** Bring every conversation in `root` to life; the inbox calls it again for its third pane. */
export function start(root = document) {
  compose(root);
  for (const place of root.querySelectorAll("[data-conversation]:not([data-started])")) {
    place.dataset.started = "";
    follow(place);
    reachBack(place);
    writeNotes(place);
  }
}

function follow(place) {
  const list = place.querySelector(".timeline[data-live]");
  if (!list) return;
  const scroll = place.querySelector(".scroll");
  const jump = place.querySelector(".jump");
  const base = list.dataset.live.split("?")[0];
  live(list, (html) => {
    const along = atEnd(scroll);
    const fresh = nodes(html);
    const heard = merge(list, fresh);
    const facts = fresh.querySelector(".facts-now");
    if (facts) place.querySelector(".conversation-facts")?.replaceChildren(...facts.childNodes);
    list.dataset.live = `${base}?after=${[...list.querySelectorAll("[data-entry]")].at(-1)?.dataset.entry ?? ""}`;
    if (heard.length === 0) return;
    place.querySelector(".nothing")?.remove();
    const words = heard.map((node) => node.dataset.say).filter(Boolean).join(" ");
    if (words) place.querySelector("[data-heard]").textContent = words;
    if (along) scroll.scrollTop = 0;
    else jump.hidden = false;
  });
  jump.querySelector("button").addEventListener("click", () => (scroll.scrollTop = 0));
  scroll.addEventListener("scroll", () => { if (atEnd(scroll)) jump.hidden = true; }, { passive: true });
}

// The place is reversed: its end is 0, and what lies above is negative.
function atEnd(scroll) {
  return scroll.scrollTop > -NEAR;
}

/** Put what is new at the end, and what moved in the place of what it was. Returns the new entries. */
function merge(list, fresh) {
  const heard = [];
  for (const node of fresh.querySelectorAll("[data-entry]")) {
    const known = document.getElementById(node.id);
    if (known) {
      if (text(known) !== text(node)) replace(known, node);
      continue;
    }
    const day = node.dataset.dayOf;
    if (!list.querySelector(`[data-day="${day}"]`)) {
      const heading = fresh.querySelector(`[data-day="${day}"]`);
      if (heading) list.append(heading);
    }
    list.append(node);
    heard.push(node);
  }
  return heard;
}

function text(node) {
  return node.className + node.querySelector(".meta")?.textContent + (node.querySelector(".why > summary")?.textContent ?? "");
}

function replace(known, node) {
  const open = [...known.querySelectorAll("details")].map((each) => each.open);
  const holds = known.contains(document.activeElement);
  if (holds && known.querySelector("form:focus-within")) return;
  node.querySelectorAll("details").forEach((each, index) => (each.open = open[index] ?? false));
  known.replaceWith(node);
}

function reachBack(place) {
  const link = place.querySelector("[data-older]");
  const list = place.querySelector(".timeline");
  link?.addEventListener("click", async (event) => {
    event.preventDefault();
    if (link.getAttribute("aria-busy") === "true") return;
    link.setAttribute("aria-busy", "true");
    try {
      const answer = await ask(link.dataset.older);
      if (!answer.ok) return void location.assign(link.href);
      const fresh = nodes(await answer.text());
      const next = fresh.querySelector("[data-next]");
      next?.remove();
      const days = new Set([...fresh.querySelectorAll("[data-day]")].map((node) => node.dataset.day));
      const first = list.querySelector("[data-day]");
      if (first && days.has(first.dataset.day)) first.remove();
      list.prepend(fresh);
      if (next) link.dataset.older = next.dataset.next;
      else link.parentElement.remove();
    } catch {
      location.assign(link.href);
    } finally {
      link.removeAttribute("aria-busy");
    }
  });
}

function writeNotes(place) {
  const form = place.querySelector("[data-note]");
  if (!form) return;
  const words = form.querySelector("textarea");
  const names = form.querySelector(".names");
  const people = JSON.parse(words.dataset.names || "[]");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (form.dataset.busy !== undefined) return;
    form.dataset.busy = "";
    if (await submit(form)) {
      form.reset();
      form.closest("details").open = false;
    }
    delete form.dataset.busy;
  });
  words.addEventListener("input", () => {
    const typed = words.value.slice(0, words.selectionStart).match(/(?:^|\W)@([\p{L}\p{N} ]{0,30})$/u);
    const fits = typed ? people.filter((name) => name.toLowerCase().startsWith(typed[1].toLowerCase())).slice(0, 6) : [];
    names.hidden = fits.length === 0;
    names.replaceChildren(...fits.map((name) => choice(name, typed[1].length, words, names)));
  });
}

function choice(name, typed, words, names) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button";
  button.textContent = `@${name}`;
  button.addEventListener("click", () => {
    const end = words.selectionStart;
    words.setRangeText(`${name} `, end - typed, end, "end");
    names.hidden = true;
    words.focus();
  });
  return button;
}

document.addEventListener("submit", async (event) => {
  const part = event.target.closest?.("[data-lesson]");
  if (!part) return;
  event.preventDefault();
  const answer = await submit(event.target);
  if (answer) part.replaceChildren(nodes(await answer.text()));
});

start();
