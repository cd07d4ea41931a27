// The texts as the customer's phone shows them.

import { el, say, sync } from "./regulars.js";
import { fate, segments } from "./phone-words.js";

const OURS = "/static/pictures/";

/** Draw what has arrived, then what is still on its way from this phone, then the typing dots. */
export class Thread {
  constructor(list, scroller, spoken, { choose, retry }) {
    Object.assign(this, { list, scroller, spoken, choose, retry });
    this.phone = null;
    this.drawn = new Set();
    this.mine = new Set(); // sids of texts that were drawn before the server knew them
  }

  draw({ phone, messages, pending, typing, chosen, times, now }) {
    const first = this.phone !== phone;
    if (first) this.drawn.clear();
    this.phone = phone;
    const atEnd = first || this.scroller.scrollHeight - this.scroller.scrollTop - this.scroller.clientHeight < 80;
    const items = lines(messages.filter((message) => message.arrived), pending, typing, times, now);
    const arrived = [];
    sync(
      this.list,
      items,
      (item) => item.key,
      (item) => item.signature + (item.id && item.id === chosen ? "!" : ""),
      (item) => {
        const fresh = !first && !this.drawn.has(item.key) && !this.mine.has(item.message?.sid);
        if (fresh && item.message?.from === "shop") arrived.push(item.message.body);
        return this.build(item, item.id && item.id === chosen, fresh);
      },
    );
    for (const item of items) this.drawn.add(item.key);
    for (const each of pending) if (each.sid) this.mine.add(each.sid);
    if (arrived.length) this.spoken.textContent = arrived.join("\n");
    if (atEnd) this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  build(item, chosen, fresh) {
    if (item.kind === "day") return el("li", { class: "day" }, item.words);
    if (item.kind === "typing") {
      return el("li", { class: "line typing fresh" }, el("span", { class: "sr" }, say("An answer is coming")), el("div", { class: "bubble", "aria-hidden": "true" }, el("i"), el("i"), el("i")));
    }
    const { message } = item;
    const mine = message.from === "customer";
    const choose = () => message.id && this.choose(message.id);
    const bubble = el(
      "div",
      {
        class: "bubble",
        dir: "auto",
        role: message.id ? "button" : undefined,
        tabindex: message.id ? "0" : undefined,
        "aria-pressed": message.id ? String(Boolean(chosen)) : undefined,
        on: {
          click: choose,
          keydown: (event) => {
            if (event.key === "Enter" || event.key === " ") {
              event.preventDefault();
              choose();
            }
          },
        },
      },
      message.media.map(picture),
      message.body || (message.media.length ? "" : say("(an empty text)")),
    );
    return el(
      "li",
      { class: `line${mine ? " mine" : ""}${item.follows ? " follows" : ""}${chosen ? " chosen" : ""}${fresh ? " fresh" : ""}` },
      el("span", { class: "sr" }, say(mine ? "Customer:" : "Shop:")),
      bubble,
      this.meta(item),
    );
  }

  meta({ message, time, exact, said }) {
    if (message.state === "not sent") {
      return el("span", { class: "meta bad" }, message.problem, el("button", { type: "button", on: { click: () => this.retry(message) } }, say("Try again")));
    }
    return el(
      "span",
      { class: `meta${["undelivered", "failed", "dead"].includes(message.state) ? " bad" : ""}` },
      el("time", { title: exact }, time),
      ticks(message, said),
      message.segments > 0 && el("span", { class: "size" }, segments(message)),
    );
  }
}

function lines(messages, pending, typing, times, now) {
  const items = [];
  let before = null;
  for (const message of [...messages, ...pending]) {
    const at = new Date(message.at);
    if (!before || !times.sameDay(new Date(before.at), at)) {
      const words = times.dayName(at, now);
      items.push({ kind: "day", key: `day ${times.date.format(at)} ${items.length ? message.id : ""}`, signature: words, words });
      before = null;
    }
    const follows = before !== null && before.from === message.from && at - new Date(before.at) < 120_000;
    const said = message.state === "sending here" ? say("Sending") : message.from === "customer" ? "" : fate(message, times, now);
    items.push({
      kind: "line",
      key: message.id ?? message.local,
      id: message.id,
      message,
      follows,
      time: times.clock.format(at),
      exact: times.long.format(at),
      said,
      signature: [message.state, message.at, said, follows, message.problem].join("|"),
    });
    before = message;
  }
  if (typing) items.push({ kind: "typing", key: "typing", signature: "" });
  return items;
}

/** One tick: the carrier has it. Two: the phone has it. Nothing more is claimed than was reported. */
function ticks(message, said) {
  if (message.state === "sending here") return el("span", {}, say("Sending…"));
  if (message.from === "customer") return message.state === "failed" ? el("span", { class: "bad-text" }, say("kept for a person")) : null;
  if (message.state === "delivered") return el("span", { title: say("Delivered") }, el("span", { class: "ticks all", "aria-hidden": "true" }, "✓✓"), el("span", { class: "sr" }, say("delivered")));
  if (message.state === "sent") return el("span", { title: say("Sent, not confirmed yet") }, el("span", { class: "ticks", "aria-hidden": "true" }, "✓"), el("span", { class: "sr" }, say("sent")));
  if (message.state === "tried") return null; // nothing was sent, so nothing is claimed
  return el("span", {}, said);
}

function picture(media) {
  let path = "";
  try {
    path = new URL(media.url, location.href).pathname;
  } catch {
    // not an address at all: shown as words
  }
  if (path.startsWith(OURS) && (media.content_type ?? media.type ?? "").startsWith("image/")) {
    return el("img", { src: path, alt: say("A picture"), width: "216", height: "162" });
  }
  return el("span", { class: "elsewhere" }, `${say("A picture from elsewhere")}\n`);
}
