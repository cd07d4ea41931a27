// Writing an answer: what it costs, sending it once, saved replies, and who holds the conversation.

import { ask, live, show, submit, toast } from "./console.js";

const PAUSE = 250; // milliseconds without a key before the cost is asked for

/** Bring every composer in `root` to life. */
export function start(root = document) {
  for (const place of root.querySelectorAll("[data-composer]:not([data-started])")) {
    place.dataset.started = "";
    const holder = place.querySelector(".holder");
    live(holder);
    hold(place, holder);
    write(place, holder);
    save(place);
  }
}

/** Take over, hold longer and hand back without leaving the page. */
function hold(place, holder) {
  holder.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { name, value } = event.submitter ?? {};
    const answer = await submit(event.target, name ? { [name]: value } : {});
    if (!answer) return;
    show(holder, await answer.text());
    place.dispatchEvent(new CustomEvent("moved", { bubbles: true })); // the bar and the list say who has it
  });
}

function write(place, holder) {
  const form = place.querySelector("[data-answer]");
  const words = form.elements.body;
  const cost = form.querySelector("[data-cost]");
  const question = form.querySelector("[data-ask-first]");
  let waiting;
  const measure = async () => {
    const body = new URLSearchParams({ body: words.value });
    const asked = words.value;
    try {
      const answer = await ask(form.dataset.measure, { method: "POST", body });
      if (answer.ok && words.value === asked) cost.textContent = await answer.text();
    } catch {
      cost.textContent = "";
    }
  };
  words.addEventListener("input", () => {
    question.hidden = true;
    if (!words.value.trim()) lacks(place, "");
    clearTimeout(waiting);
    waiting = setTimeout(measure, PAUSE);
  });
  words.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    if (!event.repeat) form.requestSubmit();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(place, form, holder, false);
  });
  form.querySelector("[data-confirm]").addEventListener("click", () => send(place, form, holder, true));
  form.querySelector("[data-cancel]").addEventListener("click", () => {
    question.hidden = true;
    words.focus();
  });
}

/** Send what is written. The key stays until the server has said that it took it: a second try is the same text. */
async function send(place, form, holder, confirmed) {
  const words = form.elements.body;
  if (form.dataset.busy !== undefined || !words.value.trim()) return;
  form.dataset.busy = "";
  const tried = form.dataset.tried ?? words.value;
  const typed = words.value;
  form.dataset.tried = tried;
  const data = new URLSearchParams(new FormData(form));
  if (confirmed) data.set("confirmed", "yes");
  try {
    const answer = await ask(form.action, { method: "POST", body: data });
    const said = await answer.text();
    const sent = answer.ok ? answer.headers.get("X-Sent") : null;
    if (sent === "yes" || sent === "before") {
      taken(place, form, typed, sent === "before" && tried !== typed);
      show(holder, said);
      place.dispatchEvent(new CustomEvent("moved", { bubbles: true }));
      return;
    }
    delete form.dataset.tried; // nothing was sent
    if (sent === "no") askFirst(form, said);
    else toast(said.slice(0, 300), "bad");
  } catch {
    toast(place.dataset.lost, "bad");
  } finally {
    delete form.dataset.busy;
  }
}

function taken(place, form, typed, otherWords) {
  const words = form.elements.body;
  form.elements.key.value = newKey();
  delete form.dataset.tried;
  form.querySelector("[data-ask-first]").hidden = true;
  if (otherWords) return toast(place.dataset.before, "warn");
  if (words.value === typed) words.value = "";
  lacks(place, "");
  form.querySelector("[data-cost]").textContent = "";
  words.focus();
}

/** Say what a saved reply lacks for this customer, as long as it stands in the box. */
function lacks(place, missing) {
  const line = place.querySelector("[data-missing]");
  line.textContent = missing;
  line.hidden = !missing;
}

function askFirst(form, said) {
  const question = form.querySelector("[data-ask-first]");
  question.querySelector("p").textContent = said;
  question.hidden = false;
  question.querySelector("[data-confirm]").focus();
}

function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Put a saved reply, in the words for this customer, where the cursor is. */
function save(place) {
  const form = place.querySelector("[data-saved]");
  form?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const answer = await ask(form.dataset.saved.replace(/0$/, form.elements.reply.value)).catch(() => null);
    if (!answer?.ok) return toast(answer ? (await answer.text()).slice(0, 300) : place.dataset.lost, "bad");
    const { body, missing } = await answer.json();
    const words = place.querySelector("[data-answer]").elements.body;
    words.setRangeText(body, words.selectionStart, words.selectionEnd, "end");
    words.dispatchEvent(new Event("input"));
    words.focus();
    lacks(place, missing);
  });
}
