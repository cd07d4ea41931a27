// What is done with a conversation from the inbox (assign, snooze, settle), and who else is there.

import { ask, nodes, toast } from "./console.js";

const LOOK_AROUND = 20_000; // milliseconds between two signs that somebody is here

/**
 * Keep the bar in `place`, and say that we are at a conversation; what we write in `room` is seen as writing.
 * `acted` is called after every action, `settle` in place of settling by the button.
 */
export function attend(place, room, { acted = () => {}, settle = null } = {}) {
  let at = null;
  let writing = false;

  /** Tell that we are here and have read this; learn who else is. */
  async function sign() {
    if (!at || document.hidden) return;
    const id = at;
    const data = new URLSearchParams(writing ? { writing: "1" } : {});
    const answer = await ask(`/console/inbox/${id}/here`, { method: "POST", body: data }).catch(() => null);
    if (answer?.redirected) return void location.assign(answer.url); // there is no conversation any more
    if (answer?.ok && id === at) show(await answer.text());
  }

  /** Show the bar, unless it says the same, or somebody is choosing from it. */
  function show(html) {
    const fresh = nodes(html).querySelector("[data-bar]");
    const bar = place.querySelector("[data-bar]");
    if (!fresh || (bar?.contains(document.activeElement) && document.activeElement.matches("select"))) return;
    if (bar && bar.dataset.bar === fresh.dataset.bar && meaning(bar) === meaning(fresh)) return;
    const held = bar?.contains(document.activeElement);
    place.replaceChildren(fresh);
    if (held) place.querySelector("select, button")?.focus();
  }

  /** Do something with a conversation; say what was done, with a button that undoes it. */
  async function act(address, data, id) {
    const answer = await ask(address, { method: "POST", body: data }).catch(() => null);
    if (!answer) return false;
    const text = await answer.text();
    if (!answer.ok) {
      toast(text.slice(0, 300), "bad");
      return false;
    }
    const said = nodes(text).querySelector("[data-bar]").dataset;
    toast(said.said);
    if (said.undo) offer(said.undoWord, () => act(said.undo, new URLSearchParams(), id));
    if (at === id) show(text);
    await acted(id);
    return true;
  }

  place.addEventListener("submit", (event) => {
    event.preventDefault();
    const form = event.target;
    if (settle && form.matches("[data-done]")) {
      settle();
      return;
    }
    const data = new URLSearchParams(new FormData(form));
    data.delete("seen"); // what came since is before our eyes
    act(form.getAttribute("action"), data, at);
  });
  place.addEventListener("change", (event) => {
    if (!event.target.matches("[data-at-once]") || !event.target.value) return;
    const form = event.target.form;
    event.target.blur();
    form.requestSubmit();
  });
  room.addEventListener("input", (event) => {
    const now = event.target.matches("textarea") && event.target.value.trim() !== "";
    if (now === writing) return;
    writing = now;
    sign();
  });
  document.addEventListener("visibilitychange", sign);
  room.addEventListener("moved", () => {
    writing = false;
    sign();
    if (at) acted(at);
  });
  addEventListener("pagehide", () => {
    if (!at) return;
    const token = document.querySelector("meta[name=csrf]").content;
    navigator.sendBeacon(`/console/inbox/${at}/here`, new URLSearchParams({ left: "1", csrf_token: token }));
  });
  setInterval(sign, LOOK_AROUND);

  return {
    act,
    /** Go to a conversation; null: to none. */
    to(id) {
      at = id;
      writing = false;
      if (!id) place.replaceChildren();
      return sign();
    },
  };
}

function offer(word, call) {
  const box = document.getElementById("toasts").lastElementChild;
  const button = document.createElement("button");
  button.className = "button";
  button.type = "button";
  button.textContent = word;
  button.addEventListener("click", () => { box.remove(); call(); });
  box?.append(button);
}

function meaning(bar) {
  const chosen = [...bar.querySelectorAll("option[selected]")].map((each) => each.value);
  return bar.textContent.replace(/\s+/g, " ") + chosen;
}

const alone = document.querySelector("[data-desk]");
if (alone) {
  document.documentElement.classList.add("scripted");
  attend(alone, document.body).to(alone.dataset.desk);
}
