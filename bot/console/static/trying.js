// A masked copy of a customer: the phone's own thread and inspector; each text is played again with all before it.

import { ask } from "./console.js";
import { drawFacts, drawTurns, turnOf } from "/static/phone-inspector.js";
import { calm, closeSheet, grow, pause, reveal, small, wire } from "/static/phone-sheets.js";
import { Thread } from "/static/phone-thread.js";
import { el, learn, Refused, say, Times } from "/static/regulars.js";

const $ = (id) => document.getElementById(id);
const { state: address, most, language, words } = $("trial").dataset;
const LEAST_TYPING = 350; // milliseconds the dots stay, so that one sees them at all
const calmly = $("band-words").textContent;
const trial = { steps: [], shown: null, pending: null, chosen: null, busy: false, ahead: 0, real: 0 };
let times = new Times(undefined, language);

learn(JSON.parse(words));
const thread = new Thread($("thread"), $("thread-scroll"), $("spoken"), { choose, retry: () => carry() });
const now = () => new Date(Date.now() + trial.ahead);

/** Begin anew, from where the customer stands now. */
async function start() {
  const seed = [...crypto.getRandomValues(new Uint8Array(16))].map((each) => each.toString(16).padStart(2, "0")).join("");
  Object.assign(trial, { seed, began: null, stamp: null, steps: [], pending: null, chosen: null, busy: false });
  tell(calmly);
  try {
    const shown = await play([]);
    if (seed !== trial.seed) return;
    take(shown, []);
    if (trial.pending) carry(); // somebody was faster than the copy
  } catch (trouble) {
    tell(wordsOf(trouble), true);
    if (trial.pending) $("text").value = trial.pending.body;
    trial.pending = null;
  }
}

/** Play steps from the beginning and return what the copy's phone shows then. */
async function play(steps) {
  const { began, seed, stamp } = trial;
  const body = JSON.stringify({ texts: steps, began, seed, stamp });
  const answer = await ask(address, { method: "POST", body, headers: { "Content-Type": "application/json" } });
  if (answer.ok) return answer.json();
  if (answer.headers.get("Content-Type")?.includes("json")) {
    const { stale } = await answer.json();
    tell(stale, true);
    throw new Refused(stale);
  }
  throw new Refused((await answer.text()).slice(0, 300));
}

function take(shown, steps) {
  if (!steps.length || steps.at(-1).wait) trial.ahead = new Date(shown.now) - Date.now(); // the copy's clock is its own
  if (!steps.length) trial.real = trial.ahead;
  if (times.zone !== shown.shop.zone) times = new Times(shown.shop.zone, language);
  Object.assign(trial, { shown, steps, began: shown.began, stamp: shown.stamp });
  draw();
}

/** Play the text that is on its way, or wait; what was refused stays to be tried again. */
async function carry(wait = false) {
  const { pending, seed } = trial;
  if (trial.busy || !trial.shown) return;
  if (!wait) Object.assign(pending, { state: "sending here", problem: undefined, at: now().toISOString() });
  const steps = [...trial.steps, wait ? { wait: true } : { body: pending.body, at: pending.at }];
  trial.busy = true;
  draw();
  try {
    const [shown] = await Promise.all([play(steps), pause(calm.matches ? 0 : LEAST_TYPING)]);
    if (seed !== trial.seed) return; // somebody started over meanwhile
    if (!wait) thread.mine.add(shown.messages.findLast((each) => each.from === "customer")?.sid);
    Object.assign(trial, { pending: wait ? pending : null, busy: false });
    take(shown, steps);
  } catch (trouble) {
    if (seed !== trial.seed) return;
    if (wait) tell(wordsOf(trouble), true);
    else Object.assign(pending, { state: "not sent", problem: `${wordsOf(trouble)} ` });
    trial.busy = false;
    draw();
  }
}

const wordsOf = (trouble) => (trouble instanceof Refused ? trouble.message : say("No connection to the server. What you typed is kept."));

function tell(sentence, stale = false) {
  $("band-words").textContent = sentence;
  $("band").classList.toggle("stale", stale);
}

function draw() {
  const { shown, pending, chosen, steps } = trial;
  const moment = now();
  const { messages, customer, display, shop } = shown;
  $("as-whom").textContent = `${customer.name ?? display} · ${times.when(moment, new Date(Date.now() + trial.real))}`;
  document.querySelector(".carrier-time").textContent = times.clock.format(moment).replace(/\s*[ap]\.?\s*m\.?$/i, "");
  const empty = !messages.length && !pending;
  $("blank").hidden = !empty;
  $("thread").hidden = empty;
  drawFollowing(messages, customer, moment);
  thread.draw({ phone: trial.seed, messages, pending: pending ? [pending] : [], typing: trial.busy, chosen, times, now: moment });
  drawFacts($("facts"), { customer, display, times, now: moment });
  drawTurns($("turns"), { messages, flows: shop.flows, chosen: chosen && turnOf(messages, chosen), times, now: moment });
  $("turns-title").hidden = !messages.length;
  const left = most - steps.length;
  $("text").disabled = left <= 0;
  if (left <= 0) $("text").placeholder = say("{count} texts are the most. Start over.", { count: most });
}

/** What would happen by itself: texts that would wait, and timers. */
function drawFollowing(messages, customer, moment) {
  const planned = messages.filter((each) => each.state === "planned").map((each) => ({ at: each.at, what: say("would be sent {when}", { when: whenOf(each, moment) }), body: each.body }));
  const timers = customer.timers.map((each) => ({ at: each.at, what: say(each.kind === "deadline" ? "{flow} would go on {when}, if still silent" : "{flow}: a reminder {when}", { flow: each.title ?? "", when: whenOf(each, moment) }) }));
  const coming = [...planned, ...timers].sort((one, other) => new Date(one.at) - new Date(other.at));
  $("follows").replaceChildren(...coming.map(({ what, body }) => el("li", {}, el("span", {}, what), body && el("p", { class: "words", dir: "auto" }, body))));
  $("follow").hidden = !coming.length;
  $("wait").disabled = trial.busy || trial.steps.length >= most;
}

const whenOf = ({ at }, moment) => times.when(new Date(at), moment);

function choose(id) {
  trial.chosen = trial.chosen === id && !small.matches ? null : id;
  draw();
  if (trial.chosen) reveal($("turns"));
}

$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const body = $("text").value;
  if (!body.trim() || trial.busy || trial.pending || trial.steps.length >= most) return;
  $("text").value = "";
  grow();
  trial.pending = { local: `local ${trial.steps.length}`, from: "customer", body, media: [], state: "sending here", at: now().toISOString() };
  $("thread-scroll").scrollTop = $("thread-scroll").scrollHeight;
  carry();
});
$("text").addEventListener("input", () => grow());
$("wait").addEventListener("click", () => carry(true));
$("over").addEventListener("click", () => {
  closeSheet();
  start();
  $("text").focus();
});
$("trial").hidden = false;
$("over").hidden = false;
wire();
grow();
if (!small.matches) $("text").focus();
await start();
