// The machine's words in a person's words. Every sentence here stands in bot/console/phone_words.py, for other languages.

import { say } from "./regulars.js";

const DECISIONS = {
  opt_out: "Wants to leave: opted out",
  opt_out_confirm: "Perhaps wants to leave: asked back once, no marketing meanwhile",
  opt_in: "Wants to join or come back",
  help: "Asks for help",
  flow: "Starts something",
  reply: "Answers what was asked",
  fallback: "Not understood",
  ignore: "Nothing to answer",
  hold: "A person has the conversation: the bot stayed silent",
};

export const EFFECTS = {
  SendMessage: "says something",
  RecordConsent: "records consent",
  AddEntry: "changes points",
  IssueVoucher: "gives a voucher",
  RevokeVoucher: "takes a voucher back",
  TakeStock: "takes from stock",
  SetAttribute: "notes a fact",
  SetMark: "remembers it was given",
  AddTag: "adds a tag",
  RemoveTag: "removes a tag",
  SetTimer: "sets a timer",
  CancelTimers: "cancels reminders",
  CancelPending: "holds back what was queued",
  RequestPerson: "asks for a person",
  RecordFact: "records an event",
};

export const REASONS = {
  carrier_answers: "Twilio answers this word itself",
  opted_out: "the customer has opted out",
  no_consent: "the customer never agreed to marketing",
  in_doubt: "it is not settled whether the customer wants out",
  quiet_hours: "the hour was outside texting hours",
  frequency_cap: "the customer had enough marketing lately",
  held_by_person: "a person has the conversation",
  too_late: "its moment has passed",
  bad_number: "the carrier says this number takes no texts",
  never_open: "there is no hour at which it may go out",
};

export const CONSENT = {
  none: ["Never agreed", ""],
  pending: ["Asked, not confirmed", "warn"],
  subscribed: ["Subscribed", "good"],
  unsubscribed: ["Opted out", "bad"],
};

const STATES = {
  queued: "waiting to go out",
  sending: "handed to the carrier",
  sent: "sent, not confirmed yet",
  delivered: "delivered",
  undelivered: "not delivered",
  failed: "failed",
  suppressed: "not sent",
  unknown: "perhaps sent",
  dead: "given up",
  received: "received",
  tried: "would be sent at once",
};

/** What the router made of a text, in one phrase. */
export function gist(text, flows) {
  const why = text.why;
  if (!why) return say("Recorded");
  if (why.error) return say("Something broke; the text is kept");
  const begun = why.steps?.find((step) => !step.from);
  if (why.decision === "flow" && begun) return say("Starts “{flow}”", { flow: flows[begun.flow] ?? begun.flow });
  return say(DECISIONS[why.decision] ?? why.decision ?? "Recorded");
}

/** What became of a message, in one phrase; never more than is known. */
export function fate(message, times, now) {
  const reason = message.reason ? say(REASONS[message.reason] ?? message.reason) : null;
  const at = new Date(message.at);
  if (message.state === "planned") {
    const would = say("would be sent {when}", { when: times.when(at, now) });
    return reason ? `${would}: ${reason}` : would;
  }
  if (message.state === "queued") {
    const until = times.sameDay(at, now) ? times.clock.format(at) : times.long.format(at);
    const when = at > now ? say("waits until {when}", { when: until }) : say("about to go out");
    return reason ? `${when}: ${reason}` : when;
  }
  if (message.state === "sending" && !message.arrived) return say("on its way to the carrier");
  const said = say(STATES[message.state] ?? message.state);
  if (message.arrived && reason) return say("{state}; it had waited, as {reason}", { state: said, reason });
  const code = message.error ? ` ${say("(carrier's error {code})", { code: message.error })}` : "";
  return reason ? `${said}: ${reason}${code}` : said + code;
}

/** "1 segment", "3 segments". */
export function segments(message) {
  return say(message.segments === 1 ? "1 segment" : "{count} segments", { count: message.segments });
}

/** "1 segment, GSM-7, 87 of 160": what it costs to send. */
export function size(message) {
  const alone = message.encoding === "GSM-7" ? 160 : 70;
  const parts = message.encoding === "GSM-7" ? 153 : 67;
  const room = message.segments === 1 ? alone : parts * message.segments;
  return `${segments(message)}, ${message.encoding}, ${say("{units} of {room}", { units: message.units, room })}`;
}

/** Why a text costs more than it might, or null. */
export function costHint(message) {
  if (message.encoding === "UCS-2" && message.culprits.length) {
    const which = message.culprits.slice(0, 3).join(" ");
    const one = "{which} is not in the cheap alphabet, so a segment holds 70 instead of 160";
    const many = "{which} are not in the cheap alphabet, so a segment holds 70 instead of 160";
    return say(message.culprits.length === 1 ? one : many, { which });
  }
  return message.segments > 1 ? say("billed as {count} texts", { count: message.segments }) : null;
}
