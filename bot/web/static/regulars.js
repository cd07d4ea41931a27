// What every page shares: making elements without markup from text, asking the server, telling times.

let known = {};

/** Learn the words of the page's language: `{"Today": "Hoy"}`. What is not known is said in English. */
export function learn(words) {
  known = words;
}

/** Say a sentence in the page's language; `{name}` stands for a value. */
export function say(message, values = {}) {
  return (known[message] ?? message).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

/** Make an element. Children are nodes or text; text never becomes markup. */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") node.className = value;
    else if (name === "on") for (const [event, handler] of Object.entries(value)) node.addEventListener(event, handler);
    else if (name in node && typeof value !== "string") node[name] = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Make `parent`'s children show `items` in order; keep the elements of items whose signature is the same. */
export function sync(parent, items, keyOf, signatureOf, build) {
  const known = new Map([...parent.children].map((node) => [node.dataset.key, node]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    const signature = signatureOf(item);
    let node = known.get(key);
    known.delete(key);
    if (!node || node.dataset.signature !== signature) {
      const fresh = build(item, node);
      fresh.dataset.key = key;
      fresh.dataset.signature = signature;
      if (node) {
        if (place === node) place = fresh;
        node.replaceWith(fresh);
      }
      node = fresh;
    }
    if (place === node) place = node.nextElementSibling;
    else parent.insertBefore(node, place);
  }
  for (const node of known.values()) node.remove();
}

/** A refusal of the server in words a person can read. */
export class Refused extends Error {}

/** Post JSON and return the answer's JSON. Throws Refused, or an Error when nobody answered. */
export async function post(url, data) {
  const answer = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(data),
  });
  return read(answer);
}

/** Return the JSON of an answer; throw Refused with the server's words when it refused. */
export async function read(answer) {
  const data = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(data.error ?? `The server answered ${answer.status}.`);
  return data;
}

/** Times in one zone, told the way people tell them. */
export class Times {
  constructor(zone, language = "en") {
    const make = (options) => new Intl.DateTimeFormat(`${language}-US`, { timeZone: zone, ...options });
    this.zone = zone;
    this.relatively = {
      long: new Intl.RelativeTimeFormat(language, { numeric: "always" }),
      short: new Intl.RelativeTimeFormat(language, { numeric: "always", style: "short" }),
    };
    this.clock = make({ hour: "numeric", minute: "2-digit" });
    this.day = make({ weekday: "short", month: "short", day: "numeric" });
    this.long = make({ weekday: "short", month: "short", day: "numeric", year: "numeric", hour: "numeric", minute: "2-digit" });
    this.date = make({ year: "numeric", month: "2-digit", day: "2-digit" });
  }

  sameDay(one, other) {
    return this.date.format(one) === this.date.format(other);
  }

  /** "Today", "Yesterday" or "Tue, Nov 3". */
  dayName(moment, now) {
    if (this.sameDay(moment, now)) return say("Today");
    if (this.sameDay(moment, new Date(now.getTime() - 86_400_000))) return say("Yesterday");
    return this.day.format(moment);
  }

  /** "10:02 AM" today, else "Tue, Nov 3". */
  brief(moment, now) {
    return this.sameDay(moment, now) ? this.clock.format(moment) : this.day.format(moment);
  }

  /** "10:02 AM" today, "tomorrow, 10:02 AM", else "Tue, Nov 3, 10:02 AM". */
  when(moment, now) {
    const clock = this.clock.format(moment);
    if (this.sameDay(moment, now)) return clock;
    const tomorrow = this.sameDay(moment, new Date(now.getTime() + 86_400_000));
    return `${tomorrow ? say("tomorrow") : this.day.format(moment)}, ${clock}`;
  }

  /** "in 2 hours" (short: "in 2 hr"), "3 days ago", "in a moment". */
  relative(moment, now, style = "long") {
    const seconds = (moment - now) / 1000;
    for (const [unit, size] of [["day", 86_400], ["hour", 3_600], ["minute", 60]]) {
      if (Math.abs(seconds) >= size) return this.relatively[style].format(Math.trunc(seconds / size), unit).replace(".", "");
    }
    return say(seconds < 0 ? "just now" : "in a moment");
  }
}

/** "1 point", "340 points", "1,200 points". */
export function count(number, noun) {
  return `${number.toLocaleString("en-US")} ${noun}${number === 1 ? "" : "s"}`;
}
