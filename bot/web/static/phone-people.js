// The customers whose phones one can hold, and which of them have news.

import { count, el, sync } from "./regulars.js";
import { CONSENT } from "./phone-words.js";

const KEY = "regulars.seen";

/** Remembers in this browser the last text seen of each number. */
export class Seen {
  constructor() {
    try {
      this.last = JSON.parse(localStorage.getItem(KEY)) ?? null;
    } catch {
      this.last = null;
    }
  }

  /** The first look ever counts as having seen everything; after that, news is what came later. */
  begin(people) {
    if (this.last) return;
    this.last = {};
    for (const person of people) if (person.last) this.last[person.phone] = person.last.id;
    this.keep();
  }

  see(person) {
    if (!person?.last || this.last[person.phone] === person.last.id) return;
    this.last[person.phone] = person.last.id;
    this.keep();
  }

  isNews(person) {
    if (!person.last || person.last.from === "customer") return false;
    return BigInt(person.last.id) > BigInt(this.last?.[person.phone] ?? "0");
  }

  keep() {
    try {
      localStorage.setItem(KEY, JSON.stringify(this.last));
    } catch {
      // a full or forbidden store: unread marks then last as long as the page
    }
  }
}

/** Draw the list; `hold` takes the number of the phone to pick up. */
export function drawPeople(list, { people, phone, display, find, seen, times, now }, hold) {
  const wanted = find.trim().toLowerCase();
  const digits = wanted.replace(/[^\d]/g, "");
  const shown = people.filter(
    (person) =>
      !wanted ||
      (person.name ?? "").toLowerCase().includes(wanted) ||
      (digits.length > 1 && person.phone.includes(digits)),
  );
  if (!wanted && !people.some((person) => person.phone === phone)) {
    shown.unshift({ phone, display, name: null, points: 0, consent: "none", tier: null, last: null, fresh: true });
  }
  sync(
    list,
    shown,
    (person) => person.phone,
    (person) => JSON.stringify([person, person.phone === phone, seen.isNews(person), person.last && times.brief(new Date(person.last.at), now)]),
    (person) => el("li", {}, entry(person, person.phone === phone, seen.isNews(person), times, now, hold)),
  );
  return shown.length;
}

function entry(person, current, news, times, now, hold) {
  const last = person.last;
  const standing = person.fresh
    ? "A new number"
    : [person.tier, count(person.points, "point"), person.consent === "subscribed" ? null : (CONSENT[person.consent]?.[0] ?? person.consent).toLowerCase()].filter(Boolean).join(" · ");
  return el(
    "button",
    { type: "button", class: `person${news ? " unread" : ""}`, "aria-current": current ? "true" : undefined, on: { click: () => hold(person.phone) } },
    el("span", { class: "name", dir: "auto" }, news && el("span", { class: "dot" }), news && el("span", { class: "sr" }, "New text. "), person.name ?? person.display),
    el("span", { class: "when" }, last ? times.brief(new Date(last.at), now) : ""),
    el("span", { class: "points" }, standing),
    last && el("span", { class: "said", dir: "auto" }, last.picture && !last.body ? "A picture" : last.body.replace(/\s+/g, " ")),
  );
}
