// The simulated phone: holds one number, sends its texts, asks every two seconds what is new.

import { count, post, read, Refused, Times } from "./regulars.js";
import { drawFacts, drawTurns, turnOf } from "./phone-inspector.js";
import { drawPeople, Seen } from "./phone-people.js";
import { calm, closeSheet, grow as growField, pause, reveal, small, wire } from "./phone-sheets.js";
import { Thread } from "./phone-thread.js";

const EVERY = 2_000; // milliseconds between two looks
const PAGE = 60; // texts at first, and more at each "Show earlier"
const LEAST_TYPING = 350; // the dots stay this long, so that one sees them at all
const $ = (id) => document.getElementById(id);

const phone = {
  number: null,
  state: null, // what the server last said
  etag: null,
  limit: PAGE,
  ahead: 0, // the server's clock minus ours, in milliseconds
  pending: [], // texts on their way from this browser, of every number
  busy: new Map(), // number -> texts being answered
  chosen: null,
  picture: null,
  turning: false,
  looking: null,
};
const seen = new Seen();
let times = new Times(undefined);
let timer = 0;
let toastTimer = 0;

const thread = new Thread($("thread"), $("thread-scroll"), $("spoken"), { choose, retry: (message) => retry(message) });
const now = () => new Date(Date.now() + phone.ahead);

// Looking

/** Ask what is new for the number in hand; a look under way is joined by one more after it. */
async function look() {
  clearTimeout(timer);
  if (phone.looking) {
    await phone.looking;
    return look();
  }
  phone.looking = ask().finally(() => {
    phone.looking = null;
    clearTimeout(timer);
    timer = setTimeout(look, document.hidden ? 10 * EVERY : EVERY);
  });
  return phone.looking;
}

async function ask() {
  const number = phone.number;
  const headers = phone.etag ? { "If-None-Match": phone.etag } : {};
  try {
    const answer = await fetch(`/phone/state?phone=${encodeURIComponent(number)}&limit=${phone.limit}`, { headers, cache: "no-store" });
    const shown = answer.headers.get("Regulars-Now");
    if (shown) phone.ahead = new Date(shown) - Date.now();
    $("lost").hidden = true;
    if (answer.status !== 304) {
      const state = await read(answer);
      if (number !== phone.number) return;
      take(state, answer.headers.get("ETag"));
    }
  } catch (trouble) {
    if (trouble instanceof Refused) toast(trouble.message);
    else $("lost").hidden = false;
  }
  draw();
}

function take(state, etag) {
  phone.state = state;
  phone.etag = etag;
  if (times.zone !== state.shop.zone) times = new Times(state.shop.zone);
  seen.begin(state.people);
}

// Drawing

function draw() {
  const state = phone.state;
  if (!state || state.phone !== phone.number) return;
  const moment = now();
  if (!document.hidden) seen.see(state.people.find((person) => person.phone === phone.number));
  $("shop-name").textContent = state.shop.name;
  $("shop-initial").textContent = [...state.shop.name][0] ?? "";
  const who = state.customer?.name ? `${state.customer.name}'s phone` : `The phone of ${state.display}`;
  $("as-whom").textContent = small.matches ? who : state.shop.number;
  $("as-whom").title = who;
  const known = new Set(state.messages.map((message) => message.sid));
  phone.pending = phone.pending.filter((each) => !(each.sid && known.has(each.sid)));
  const pending = phone.pending.filter((each) => each.number === phone.number);
  thread.draw({
    phone: phone.number,
    messages: state.messages,
    pending,
    typing: (phone.busy.get(phone.number) ?? 0) > 0,
    chosen: phone.chosen,
    times,
    now: moment,
  });
  const empty = !state.messages.some((message) => message.arrived) && !pending.length;
  $("blank").hidden = !empty;
  $("thread").hidden = empty;
  $("blank-hint").textContent = `Say JOIN to ${state.shop.name}, or tap one of the words below.`;
  $("earlier").hidden = !state.more;
  drawFacts($("facts"), { customer: state.customer, display: state.display, times, now: moment });
  drawTurns($("turns"), {
    messages: state.messages,
    flows: state.shop.flows,
    chosen: phone.chosen && turnOf(state.messages, phone.chosen),
    times,
    now: moment,
  });
  $("turns-title").hidden = !state.messages.length;
  drawList(moment);
  drawClock(moment);
}

function drawList(moment) {
  const { people, phone: number, display } = phone.state;
  const find = $("find").value;
  const shown = drawPeople($("people"), { people, phone: number, display, find, seen, times, now: moment }, (chosen) => {
    hold(chosen);
    closeSheet();
  });
  $("no-people").hidden = shown > 0;
  $("no-people").textContent = "Nobody by that name here. A whole phone number and Enter picks up that phone.";
  $("any-unread").hidden = !people.some((person) => person.phone !== number && seen.isNews(person));
}

function drawClock(moment) {
  $("now").textContent = times.long.format(moment);
  $("now").dateTime = moment.toISOString();
  $("zone").textContent = times.zone ? `in ${times.zone.split("/").at(-1).replaceAll("_", " ")}` : "";
  document.querySelector(".carrier-time").textContent = times.clock.format(moment).replace(/\s?[AP]M/, "");
  for (const button of document.querySelectorAll("[data-minutes]")) button.disabled = phone.turning;
  const next = phone.state?.clock.next;
  $("next").disabled = phone.turning || !next;
  const words = phone.turning ? "Turning…" : next ? `Next ${times.relative(new Date(next.at), moment, "short")}: ${whatComes(next)}` : "Nothing is waiting";
  $("next").replaceChildren(Object.assign(document.createElement("span"), { textContent: words }));
  $("next").title = next ? `${next.flow ?? ""} ${next.state ?? ""} · ${times.long.format(new Date(next.at))}`.trim() : "";
}

function whatComes(next) {
  const who = next.phone === phone.number ? "this phone" : (next.who ?? "somebody");
  return { deadline: `${who} still silent`, reminder: `reminder for ${who}`, text: `text to ${who}`, fact: `news of ${who}` }[next.kind] ?? who;
}

// Holding a phone

function hold(number) {
  if (number === phone.number) return;
  Object.assign(phone, { number, state: phone.state && { ...phone.state, phone: null }, etag: null, limit: PAGE, chosen: null });
  history.replaceState(null, "", `#${number}`);
  look();
}

async function holdNew(typed = "") {
  try {
    const { phone: number } = await read(await fetch(`/phone/number?typed=${encodeURIComponent(typed)}`));
    hold(number);
    $("find").value = "";
    closeSheet();
    if (!small.matches) $("text").focus();
  } catch (trouble) {
    toast(trouble.message);
  }
}

// Sending

async function send(body, picture = null) {
  const number = phone.number;
  if (!number || (!body.trim() && !picture)) return;
  const text = {
    local: `local ${crypto.getRandomValues(new Uint32Array(2)).join("")}`,
    number,
    from: "customer",
    body,
    picture,
    media: picture ? [{ url: `/static/pictures/${picture}.png`, content_type: "image/png" }] : [],
    at: now().toISOString(),
    state: "sending here",
  };
  phone.pending.push(text);
  $("thread-scroll").scrollTop = $("thread-scroll").scrollHeight;
  await carry(text);
}

async function retry(text) {
  Object.assign(text, { state: "sending here", problem: undefined, at: now().toISOString() });
  await carry(text);
}

async function carry(text) {
  const { number, body, picture } = text;
  phone.busy.set(number, (phone.busy.get(number) ?? 0) + 1);
  draw();
  try {
    const [answer] = await Promise.all([post("/phone/send", { phone: number, body, picture }), pause(calm.matches ? 0 : LEAST_TYPING)]);
    text.sid = answer.sid;
    text.state = "received";
  } catch (trouble) {
    text.state = "not sent";
    text.problem = trouble instanceof Refused ? `Not sent. ${trouble.message} ` : "Not sent: no connection to the server. ";
  } finally {
    phone.busy.set(number, phone.busy.get(number) - 1);
  }
  await look();
  if (text.sid) for (const later of [250, 700]) setTimeout(look, later); // delivery is reported a moment later
}

// The clock

/** Turn the clock; the server goes from one due moment to the next, and we look after each stretch. */
async function turn(wish) {
  if (phone.turning) return;
  phone.turning = true;
  document.body.classList.add("turning");
  drawClock(now());
  const before = newest();
  try {
    let turned = await post("/phone/clock", wish);
    await look();
    while (!turned.done) {
      turned = await post("/phone/clock", { until: turned.until });
      await look();
    }
    await pause(150); // delivery reports of the last moment
    toast(news(before));
  } catch (trouble) {
    toast(trouble instanceof Refused ? trouble.message : "The clock stopped: no connection to the server.");
  } finally {
    phone.turning = false;
    document.body.classList.remove("turning");
    await look();
  }
}

function newest() {
  return new Map((phone.state?.people ?? []).map((person) => [person.phone, person.last?.id]));
}

function news(before) {
  const told = (phone.state?.people ?? []).filter((person) => person.last?.from === "shop" && before.get(person.phone) !== person.last.id);
  const others = told.filter((person) => person.phone !== phone.number).length;
  const here = told.length > others;
  if (!told.length) return "No texts went out in that time.";
  if (!others) return "A text arrived on this phone.";
  return `${here ? "A text arrived here, and on" : "Texts arrived on"} ${count(others, "other phone")}.`;
}

// Choosing a text

function choose(id) {
  phone.chosen = phone.chosen === id && !small.matches ? null : id;
  draw();
  if (phone.chosen) reveal($("turns"));
}

function toast(words) {
  clearTimeout(toastTimer);
  $("toast").textContent = words;
  $("toast").hidden = false;
  toastTimer = setTimeout(() => ($("toast").hidden = true), 5_000);
}

// The typing field

const field = $("text");

const grow = () => growField(Boolean(phone.picture));

function attach(name) {
  phone.picture = name;
  $("attached").hidden = !name;
  if (name) $("attached").querySelector("img").src = `/static/pictures/${name}.png`;
  showPicker(false);
  grow();
  field.focus();
}

function showPicker(open) {
  $("picker").hidden = !open;
  $("add-picture").setAttribute("aria-expanded", String(open));
}

$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const [body, picture] = [field.value, phone.picture];
  if (!body.trim() && !picture) return;
  field.value = "";
  attach(null);
  send(body, picture);
});
field.addEventListener("input", grow);
$("add-picture").addEventListener("click", () => showPicker($("picker").hidden));
$("detach").addEventListener("click", () => attach(null));
for (const button of document.querySelectorAll("[data-picture]")) button.addEventListener("click", () => attach(button.dataset.picture));
for (const chip of document.querySelectorAll("[data-say]")) chip.addEventListener("click", () => send(chip.dataset.say));
for (const button of document.querySelectorAll("[data-minutes]")) button.addEventListener("click", () => turn({ minutes: Number(button.dataset.minutes) }));
$("next").addEventListener("click", () => turn({ next: true }));
wire();
$("earlier").addEventListener("click", () => {
  phone.limit += PAGE;
  phone.etag = null;
  look();
});
$("new-number").addEventListener("click", () => holdNew());
$("find").addEventListener("input", draw);
$("find").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.value.replace(/\D/g, "").length > 6) holdNew(event.target.value);
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") showPicker(false);
  const typing = event.target.closest("input, textarea");
  if (event.key === "/" && !typing && !document.querySelector(".panel.open")) {
    event.preventDefault();
    field.focus();
  }
});
document.addEventListener("visibilitychange", () => !document.hidden && phone.number && look());
small.addEventListener("change", () => {
  closeSheet();
  draw();
});
addEventListener("hashchange", () => location.hash.length > 1 && hold(decodeURIComponent(location.hash.slice(1))));
setInterval(() => phone.state && drawClock(now()), 1_000);

if (location.hash.length > 1) hold(decodeURIComponent(location.hash.slice(1)));
else await holdNew();
grow();
