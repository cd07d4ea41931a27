// Beside the phone: who the customer is, and for every text what the machine understood and did.

import { el, say, sync } from "./regulars.js";
import { CONSENT, costHint, EFFECTS, fate, gist, size } from "./phone-words.js";

/** The card of facts about one customer. */
export function drawFacts(place, { customer, display, times, now }) {
  const signature = JSON.stringify([customer, display, Math.floor(now.getTime() / 60_000)]);
  if (place.dataset.signature === signature) return;
  place.dataset.signature = signature;
  place.replaceChildren(customer ? factsOf(customer, times, now) : stranger(display));
}

function stranger(display) {
  return el(
    "div",
    { class: "card facts" },
    el("p", { class: "title" }, el("strong", {}, display)),
    el("p", { class: "soft" }, say("Nobody yet: the shop has never heard of this number. Text JOIN to become a customer.")),
  );
}

function factsOf(customer, times, now) {
  const [words, tone] = CONSENT[customer.consent] ?? [customer.consent, ""];
  const at = (iso) => times.brief(new Date(iso), now);
  return el(
    "div",
    { class: "card facts" },
    el("p", { class: "title" }, el("strong", { dir: "auto" }, customer.name ?? customer.display), customer.name && el("span", {}, customer.display)),
    el(
      "p",
      { class: "tags" },
      el("span", { class: "tag" }, say(customer.points === 1 ? "1 point" : "{count} points", { count: customer.points.toLocaleString(times.clock.resolvedOptions().locale) })),
      customer.tier && el("span", { class: "tag" }, customer.tier),
      el("span", { class: `tag ${tone}` }, say(words)),
      customer.doubt && el("span", { class: "tag warn" }, say("Marketing paused: in doubt")),
      !customer.reachable && el("span", { class: "tag bad" }, say("Takes no texts")),
      customer.wants_person && el("span", { class: "tag warn" }, say("Waits for a person")),
    ),
    el(
      "dl",
      { class: "pairs" },
      pair("Place", customer.conversations.length ? customer.conversations.map((each) => placeOf(each, times, now)) : el("span", { class: "soft" }, say("no open conversation"))),
      customer.timers.length > 0 &&
        pair(
          "Waiting",
          customer.timers.slice(0, 4).map((timer) =>
            el("p", { title: times.long.format(new Date(timer.at)) }, `${say(timer.kind === "deadline" ? "if still silent" : "reminder")} ${times.relative(new Date(timer.at), now)} `, el("span", { class: "soft" }, timer.title ?? "")),
          ),
        ),
      customer.vouchers.length > 0 && pair("Vouchers", customer.vouchers.map((voucher) => voucherOf(voucher, times))),
      customer.proof && pair("Consent", say(customer.proof.version ? "{status} by {how}, {at}, wording {version}" : "{status} by {how}, {at}", { ...customer.proof, status: say(customer.proof.status), how: say(customer.proof.how), at: at(customer.proof.at) })),
      pair("Language", say({ es: "Spanish", en: "English" }[customer.language] ?? customer.language)),
    ),
  );
}

function placeOf(place, times, now) {
  return el(
    "p",
    { title: say("since {when}", { when: times.long.format(new Date(place.since)) }) },
    place.title,
    ": ",
    el("strong", {}, place.state),
    " ",
    place.file && el("code", { class: "soft" }, place.file),
    place.misses > 0 && el("span", { class: "soft" }, ` ${say("misunderstood {count}×", { count: place.misses })}`),
  );
}

function voucherOf(voucher, times) {
  const open = voucher.status === "issued";
  return el(
    "p",
    {},
    el("code", { class: open ? "" : "struck" }, voucher.code),
    ` ${voucher.name}, `,
    el("span", { class: "soft" }, open ? say("until {day}", { day: times.day.format(new Date(voucher.ends)) }) : say(voucher.status)),
  );
}

function pair(name, value) {
  return [el("dt", {}, say(name)), el("dd", {}, ...[value].flat())];
}

const opened = new Map(); // card -> open or not, as the reader left it; else only the newest is open

/** One card for each text that came in with what it caused, and for each text that went out by itself. */
export function drawTurns(list, { messages, flows, chosen, times, now }) {
  sync(
    list,
    turnsOf(messages),
    (turn) => turn.key,
    (turn) => JSON.stringify([turn.text, turn.replies, turn.newest, turn.key === chosen, times.date.format(now)]) + waitingSignature(turn, now),
    (turn) => cardOf(turn, turn.key === chosen, flows, times, now),
  );
}

/** Return the key of the card that tells about a message. */
export function turnOf(messages, id) {
  const message = messages.find((each) => each.id === id);
  return message?.answers && messages.some((each) => each.id === message.answers) ? message.answers : id;
}

function turnsOf(messages) {
  const turns = new Map();
  for (const message of messages) {
    if (message.from === "customer") turns.set(message.id, { key: message.id, text: message, replies: [] });
  }
  for (const message of messages) {
    if (message.from === "customer") continue;
    const turn = turns.get(message.answers);
    if (turn) turn.replies.push(message);
    else turns.set(message.id, { key: message.id, text: null, replies: [message] });
  }
  const at = (turn) => (turn.text ?? turn.replies[0]).at;
  const ordered = [...turns.values()].sort((one, other) => (at(one) < at(other) ? 1 : at(one) > at(other) ? -1 : BigInt(one.key) < BigInt(other.key) ? 1 : -1));
  if (ordered.length) ordered[0].newest = true;
  return ordered;
}

function waitingSignature(turn, now) {
  return turn.replies.some((reply) => reply.state === "queued") ? String(Math.floor(now.getTime() / 60_000)) : "";
}

function cardOf(turn, chosen, flows, times, now) {
  const { text, replies } = turn;
  const lead = text ?? replies[0];
  const body = text ? understood(text, replies, flows, times, now) : unasked(lead, flows, times, now);
  return el(
    "li",
    { class: `turn-card${chosen ? " chosen" : ""}` },
    el(
      "details",
      { open: chosen || (opened.get(turn.key) ?? turn.newest ?? false) },
      el(
        "summary",
        { on: { click: (event) => opened.set(turn.key, !event.currentTarget.parentElement.open) } },
        el("span", { class: "quote", dir: "auto" }, text ? quoted(text) : lead.body),
        el("time", { class: "when", title: times.long.format(new Date(lead.at)) }, times.brief(new Date(lead.at), now)),
        el("span", { class: "gist" }, text ? gist(text, flows) : `${say("By itself")}: ${fate(lead, times, now)}`),
      ),
      el("div", { class: "turn-body" }, body),
    ),
  );
}

function quoted(text) {
  const words = text.body ? `“${text.body.slice(0, 140)}”` : "";
  return text.media.length ? `${words} ${say("with a picture")}`.trim() : words || say("(an empty text)");
}

function understood(text, replies, flows, times, now) {
  const why = text.why ?? {};
  return [
    why.error && el("p", { class: "bad-text" }, say("The flow broke and the state is as it was: {error}", { error: why.error })),
    el(
      "dl",
      { class: "pairs" },
      why.decision && pair("Understood", [gist(text, flows), why.intent && [" ", el("span", { class: "tag" }, why.intent)]].flat()),
      why.rule && pair("Rule", el("code", {}, why.rule)),
      why.matched && pair("Matched", el("span", { dir: "auto" }, `“${why.matched}”`)),
      why.score > 0 && pair("Score", score(why.score)),
      why.runner_up && pair("Runner-up", [el("span", {}, `${say("{what} by “{matched}”", why.runner_up)} `), score(why.runner_up.score)]),
      why.notes?.length > 0 && pair("Notes", why.notes.map((note) => el("p", {}, note))),
      why.steps?.length > 0 && pair("Went", el("ol", { class: "steps" }, why.steps.map(stepOf))),
      why.effects?.length > 0 && pair("Did", el("span", { class: "tags" }, effectsOf(why.effects))),
      pair("Said", replies.length ? el("ul", { class: "reply-lines" }, replies.map((reply) => replyOf(reply, times, now))) : el("span", { class: "soft" }, say("nothing"))),
      pair("Size", size(text)),
    ),
  ];
}

function unasked(message, flows, times, now) {
  return el(
    "dl",
    { class: "pairs" },
    message.flow && pair("From", [flows[message.flow] ?? message.flow, message.flow_state ? [": ", el("strong", {}, message.flow_state)] : ""].flat()),
    message.purpose && pair("Kind", say(message.purpose)),
    pair("Said", el("ul", { class: "reply-lines" }, replyOf(message, times, now))),
    message.attempts > 1 && pair("Attempts", String(message.attempts)),
  );
}

function replyOf(message, times, now) {
  const hint = costHint(message);
  const bad = ["failed", "undelivered", "dead"].includes(message.state);
  return el(
    "li",
    {},
    el("p", { class: "words", dir: "auto" }, message.body),
    el("p", { class: bad ? "bad" : message.arrived ? "soft" : "warn" }, `${fate(message, times, now)} · ${size(message)}`),
    hint && el("p", { class: "warn" }, hint),
  );
}

function stepOf(step) {
  return el(
    "li",
    {},
    el("span", { class: "soft" }, step.flow),
    step.from ? el("span", { class: "from" }, step.from) : el("span", { class: "soft" }, say("begins")),
    el("span", { class: "soft" }, `${step.outcome ?? ""} →`),
    el("span", { class: "to" }, step.to ?? say("stays")),
    el("code", {}, step.at),
    step.refused?.length > 0 && el("span", { class: "soft" }, say("not: {conditions}", { conditions: step.refused.join("; ") })),
  );
}

function effectsOf(effects) {
  const counted = new Map();
  for (const name of effects) counted.set(name, (counted.get(name) ?? 0) + 1);
  return [...counted].map(([name, times]) => el("span", { class: "tag", title: name }, `${say(EFFECTS[name] ?? name)}${times > 1 ? ` ×${times}` : ""}`));
}

function score(value) {
  const shown = Math.round(value * 100) / 100;
  return el("span", { class: "score" }, el("meter", { min: "0", max: "1", value: String(Math.min(1, value)), "aria-label": say("{units} of {room}", { units: shown, room: 1 }) }), String(shown));
}
