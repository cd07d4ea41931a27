// The inbox: the list as it happens, the conversation beside it, keys, and who else is there.

import { ask, key, live, nodes, toast } from "./console.js";
import { start } from "./conversation.js";
import { attend } from "./desk_bar.js";

const inbox = document.querySelector("[data-inbox]");
const list = inbox.querySelector(".list-scroll");
const pane = inbox.querySelector(".pane");
const body = pane.querySelector(".pane-body");
const fold = inbox.querySelector(".views-fold");
const words = document.querySelector("[data-words-now]").dataset;
const small = matchMedia("(max-width: 720px)");
const narrow = matchMedia("(max-width: 1180px)");
const relative = new Intl.RelativeTimeFormat(inbox.dataset.language, { numeric: "always", style: "narrow" });
const sources = new Map(); // of each entry, its HTML as the server sent it
let opened = null;
let asked = 0;

const desk = attend(pane.querySelector(".pane-bar"), body, { acted: look, settle });

document.documentElement.classList.add("scripted");
list.dataset.lost = words.wordsLost;
inbox.querySelector("[data-help]").hidden = false;
if (narrow.matches) fold.open = false;
narrow.addEventListener("change", () => (fold.open = !narrow.matches));

// --- the list

function entries() {
  return [...list.querySelectorAll(".entry")];
}

/** Show a page of the list; an entry that did not change stays the very same node, with its focus. */
function update(html) {
  const fresh = nodes(html);
  const old = new Map(entries().map((entry) => [entry.dataset.id, entry]));
  const before = entries();
  const focused = list.contains(document.activeElement) ? document.activeElement.closest(".entry")?.dataset.id : null;
  for (const entry of fresh.querySelectorAll(".entry")) {
    const source = entry.outerHTML;
    const known = old.get(entry.dataset.id);
    if (known && sources.get(entry.dataset.id) === source) entry.replaceWith(known);
    sources.set(entry.dataset.id, source);
  }
  list.replaceChildren(fresh);
  if (focused && !list.contains(document.activeElement)) {
    const next = find(focused) ?? entries()[Math.min(before.findIndex((entry) => entry.dataset.id === focused), entries().length - 1)];
    next?.querySelector("a").focus({ preventScroll: true });
  }
  decorate();
}

/** Lay what is personal over the list: what is unread, what is open, who else is there. */
function decorate() {
  const over = JSON.parse(list.querySelector("[data-over]")?.dataset.over ?? "{}");
  for (const entry of entries()) {
    const unread = entry.dataset.id === opened ? 0 : (over.unread?.[entry.dataset.id] ?? 0);
    entry.classList.toggle("unread", unread > 0);
    entry.querySelector(".entry-unread").textContent = unread ? ` ${unread > 9 ? "9+" : unread} ${words.wordsUnread} ` : "";
    const link = entry.querySelector("a");
    if (entry.dataset.id === opened) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
    for (const mark of entry.querySelectorAll(".there")) mark.hidden = mark.dataset.staff === inbox.dataset.me;
  }
  for (const size of inbox.querySelectorAll("[data-size]")) {
    const many = over.sizes?.[size.dataset.size] ?? 0;
    const most = Number(size.dataset.most);
    size.textContent = many === 0 ? "" : many > most ? `${most}+` : String(many);
  }
  tellTimes();
}

/** Times pass while nothing changes: "2 min ago" is told anew, the exact one stays on hover. */
function tellTimes() {
  for (const time of list.querySelectorAll("time[datetime]")) {
    const seconds = (new Date(time.dateTime) - Date.now()) / 1000 - Number(inbox.dataset.ahead);
    const far = Math.abs(seconds);
    if (far > 7 * 86_400) continue;
    const told = far < 60 ? words.wordsNow : far < 3600 ? relative.format(Math.round(seconds / 60), "minute") : far < 86_400 ? relative.format(Math.round(seconds / 3600), "hour") : relative.format(Math.round(seconds / 86_400), "day");
    if (time.textContent !== told) time.textContent = told;
  }
}

function find(id) {
  return entries().find((entry) => entry.dataset.id === id);
}

async function look() {
  const answer = await ask(list.dataset.live);
  if (answer.ok) update(await answer.text());
}

// --- the conversation beside it

/** Show a conversation in the third pane; without room for it, go to its page. */
async function open(id, { focus = true } = {}) {
  const link = find(id)?.querySelector("a");
  const address = link?.getAttribute("href") ?? `/console/customers/${id}/conversation`;
  if (small.matches) {
    location.assign(address);
    return;
  }
  opened = id;
  const mine = ++asked;
  decorate();
  pane.setAttribute("aria-busy", "true");
  const url = new URL(location.href);
  url.hash = `c${id}`;
  history.replaceState(null, "", url);
  try {
    const answer = await ask(`${address}?pane=1`);
    if (mine !== asked) return;
    if (!answer.ok) throw new Error(String(answer.status));
    body.replaceChildren(nodes(await answer.text()));
    start(body);
    if (focus) pane.focus({ preventScroll: true });
    await desk.to(body.querySelector("[data-conversation]") ? id : null);
  } catch {
    if (mine === asked) toast(words.wordsFailed, "bad");
  } finally {
    if (mine === asked) pane.removeAttribute("aria-busy");
  }
}

// --- what is done with a conversation

/** Settle the conversation that is open, or the one with the focus, and go on to the next. */
async function settle() {
  const here = current();
  const id = here?.dataset.id ?? opened;
  if (!id) return;
  const all = entries();
  const next = all[all.indexOf(here) + 1] ?? all[all.indexOf(here) - 1];
  // Whoever has the conversation open has seen what came since the list was made.
  const seen = id === opened ? {} : { seen: list.querySelector(".entries").dataset.seen };
  const following = here && opened === id ? next?.dataset.id : null;
  if (!(await desk.act(`/console/inbox/${id}/done`, new URLSearchParams(seen), id))) return;
  (find(next?.dataset.id) ?? entries()[0])?.querySelector("a").focus();
  if (following && find(following)) open(following, { focus: false });
}

function current() {
  return document.activeElement?.closest(".entry") ?? (opened ? find(opened) : null);
}

function move(by) {
  const all = entries();
  const at = all.indexOf(current());
  const next = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + by, 0), all.length - 1)];
  next?.querySelector("a").focus();
  next?.scrollIntoView({ block: "nearest" });
}

// --- keys and clicks

let went = 0;
key("j", () => move(1));
key("k", () => move(-1));
key("e", settle);
key("r", async () => {
  const here = current();
  if (here && here.dataset.id !== opened) await open(here.dataset.id);
  body.querySelector("[data-composer] textarea")?.focus();
});
key("g", () => (went = Date.now()));
key("i", () => { if (Date.now() - went < 1500) location.assign("/console/inbox"); });
inbox.querySelector("[data-help]").addEventListener("click", () => document.querySelector("[data-keys]").showModal());
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && pane.contains(document.activeElement)) (current() ?? entries()[0])?.querySelector("a").focus();
});

list.addEventListener("click", (event) => {
  const link = event.target.closest(".entry > a");
  if (!link || small.matches || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  open(link.parentElement.dataset.id);
});
for (const select of inbox.querySelectorAll("[data-go]")) select.addEventListener("change", () => select.form.requestSubmit());
for (const entry of entries()) sources.set(entry.dataset.id, entry.outerHTML);
decorate();
live(list, update);
setInterval(tellTimes, 30_000);
document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
const remembered = /^#c(\d+)$/.exec(location.hash)?.[1];
if (remembered && !small.matches) open(remembered, { focus: false });
