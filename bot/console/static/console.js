// What every page of the console shares: asking the server, live parts, quiet forms, keys, words after an action.

const CSRF = document.querySelector("meta[name=csrf]")?.content ?? "";
// The server's own HTML, escaped there, is the only markup ever put into a page.
const policy = window.trustedTypes?.createPolicy("regulars", { createHTML: (html) => html });

/** Ask the server for a part of a page. Returns the Response; 401 goes to the sign-in page. */
export async function ask(url, options = {}) {
  const headers = { "X-Requested-With": "fetch", "X-CSRFToken": CSRF, ...options.headers };
  const answer = await fetch(url, { credentials: "same-origin", ...options, headers });
  if (answer.status === 401) location.assign(`/console/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`);
  return answer;
}

/** Return HTML of the server as nodes. */
export function nodes(html) {
  const holder = document.createElement("template");
  holder.innerHTML = policy ? policy.createHTML(html) : html;
  return holder.content;
}

/** Put HTML of the server in place of an element's children; what has the same `data-key` and text stays as it is. */
export function show(element, html) {
  const fresh = nodes(html);
  const old = new Map([...element.children].filter((node) => node.dataset.key).map((node) => [node.dataset.key, node]));
  for (const node of [...fresh.children]) {
    const known = old.get(node.dataset?.key);
    if (known && known.isEqualNode(node)) node.replaceWith(known);
  }
  const focus = document.activeElement?.id;
  element.replaceChildren(fresh);
  if (focus && document.activeElement === document.body) document.getElementById(focus)?.focus({ preventScroll: true });
}

/** Say something that passes. */
export function toast(words, kind = "good") {
  const box = document.createElement("p");
  box.className = `message ${kind}`;
  box.textContent = words;
  document.getElementById("toasts")?.append(box);
  setTimeout(() => box.remove(), 6000);
}

/** Ask again and again for what an element shows: `data-live` is the address, `data-every` milliseconds. */
export function live(element, changed = (html) => show(element, html)) {
  let etag = null;
  let failures = 0;
  let waiting = 0;
  const every = Number(element.dataset.every ?? 2000);
  const look = async () => {
    waiting = 0;
    if (!element.isConnected) return;
    let pause = every;
    try {
      if (document.hidden) pause = every * 10;
      else {
        const answer = await ask(element.dataset.live, etag ? { headers: { "If-None-Match": etag } } : {});
        failures = 0;
        element.removeAttribute("data-stale");
        if (answer.status === 200) {
          etag = answer.headers.get("ETag");
          changed(await answer.text());
        }
        pause = Math.max(pause, 1000 * Number(answer.headers.get("Retry-After") ?? 0));
      }
    } catch {
      failures += 1;
      if (failures > 2) element.dataset.stale = "";
      pause = Math.min(30_000, every * 2 ** failures);
    }
    waiting = setTimeout(look, pause);
  };
  document.addEventListener("visibilitychange", () => {
    if (document.hidden || !waiting) return; // whoever comes back wants to see it now; a look under way goes on
    clearTimeout(waiting);
    waiting = 0;
    look();
  });
  waiting = setTimeout(look, every);
}

/** Post a form without leaving the page. Returns the Response, or null after telling why it did not work. */
export async function submit(form, extra = {}) {
  const data = new URLSearchParams(new FormData(form));
  for (const [name, value] of Object.entries(extra)) data.set(name, value);
  try {
    const answer = await ask(form.action, { method: "POST", body: data });
    if (answer.ok) return answer;
    toast((await answer.text()).slice(0, 300), "bad");
  } catch {
    toast(document.getElementById("toasts")?.dataset.lost ?? "", "bad");
  }
  return null;
}

const keys = new Map();
/** Let a key do something on this page while nobody types. */
export function key(name, action) {
  keys.set(name, action);
}
const listed = document.querySelector("dialog[data-keys]");
if (listed) key("?", () => listed.showModal());
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const marked = [...document.querySelectorAll("[data-key]")].find((node) => node.dataset.key === event.key && node.matches("a, button, input, textarea"));
  const action = keys.get(event.key) ?? (marked && (() => (marked.matches("input, textarea") ? marked.focus() : marked.click())));
  if (!action) return;
  event.preventDefault();
  action(event);
});
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keyup", (event) => {
  if (event.key === "Escape") for (const menu of document.querySelectorAll("details.menu[open]")) menu.open = false;
});
for (const element of document.querySelectorAll("[data-live]:not([data-by-hand])")) live(element);
