"""A small shop, and a player that applies decisions to a customer the way the shell does to rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from bot.engine import effects as fx
from bot.engine.conversation import Customer, Voucher
from bot.engine.decide import decide, expectation
from bot.engine.decision import Decision
from bot.engine.definition import Flow
from bot.engine.events import Event, FactRecorded, MessageReceived, StartDue, TimerFired
from bot.engine.language import read_flow, read_phrases, read_programme
from bot.engine.machine import Compiled, compile_flow
from bot.engine.phrases import Phrases
from bot.engine.programme import Programme
from bot.engine.routing import Routing
from bot.errors import FlowError

MONDAY = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)  # 10:00 in New York
ALICE = Customer(id=7, phone="+12015550107", name="Alice", consent="subscribed", joined_at=MONDAY - timedelta(days=90))

PROGRAMME = """
shop:
  name: Corner Cup
  programme: Corner Cup Regulars
  phone: (201) 555-0100
  website: cornercup.example
  terms: cornercup.example/terms
  zone: America/New_York
  country: US
  currency: USD
  languages: [en, es]
points_per_unit: 2
points_expire_after: 365 days
awards: {welcome: 60, check_in: 5}
tiers:
  - {key: regular, names: {en: Regular, es: Regular}, from_points: 0, perks: {en: none yet, es: nada}}
  - {key: silver, names: {en: Silver, es: Plata}, from_points: 300, multiplier_percent: 125, perks: {en: more, es: mas}}
rewards:
  - {key: cookie, names: {en: Free cookie, es: Galleta gratis}, cost: 60, valid_for: 30 days}
  - {key: latte, names: {en: Free latte, es: Latte gratis}, cost: 100, valid_for: 30 days, stock: 2}
  - {key: mug, names: {en: Mug, es: Taza}, cost: 120, valid_for: 30 days, limit_per_customer: 1}
  - {key: tasting, names: {en: Tasting, es: Cata}, cost: 130, valid_for: 30 days, tiers: [silver]}
wordings:
  join: {version: 3, texts: {en: Up to 4 texts a month., es: Hasta 4 mensajes al mes.}}
"""

PHRASES = """
misunderstood: ["Sorry?", "Once more?"]
fallback: ["What?", "Really, what?"]
resume: "Back to it: {question}"
handed_over: "A person will read this."
crash: "Something went wrong. Call {shop.phone}."
picture: "Nice picture."
"""

STOP = """
flow: stop
title: Stop
kind: service
start: [{compliance: stop, called: true, to: out}]
states:
  out: {do: {unsubscribe: true}, say: "You are out.", final: true}
"""
HELP = """
flow: help
title: Help
kind: service
start: [{compliance: help, to: shown}]
states:
  shown: {say: "Text BALANCE.", final: true}
"""
JOIN = """
flow: join
title: Join
kind: service
start: [{compliance: start, keywords: [JOIN], takes: code, to: begin}]
states:
  begin:
    go:
      - {if: {consent: subscribed}, to: already}
      - {do: {request_consent: join}, to: confirming}
  confirming: {say: "{wording.join} Reply YES.", ask: yes_no, on: {yes: joined, no: declined}}
  joined:
    do:
      - {subscribe: join}
      - {award: {points: welcome, once: welcome, reason: Welcome}}
      - {remind: {key: series, in: 1 day, at: "10:00", flow: news}}
    say: "Welcome! {points, points}."
    final: joined
  already: {say: "You are in.", final: true}
  declined: {final: declined}
"""
UNSURE = """
flow: unsure
title: Unsure
kind: service
start: [{compliance: unsure, to: asking}]
states:
  asking:
    do: {pause_marketing: true}
    say: "Stop all texts?"
    ask: yes_no
    on: {yes: {do: {start: stop}, to: gone}, no: {do: {settle_doubt: true}, say: "You stay.", to: gone}}
  gone: {final: true}
"""
BALANCE = """
flow: balance
title: Balance
kind: service
start: [{keywords: [BALANCE], to: shown}]
states:
  shown: {say: "You have {points, points}.", final: true}
"""
REDEEM = """
flow: redeem
title: Redeem
kind: service
start:
  - {keywords: [REDEEM], if: {reward_in_reach: true}, to: choosing}
  - {keywords: [REDEEM], to: too_few}
states:
  choosing:
    say: "Choose:\\n{options}"
    ask: {choice: rewards_in_reach, as: reward}
    on: {chosen: confirming, none: too_few}
    after: {2h: {remind: "Still there?"}, 24h: gone}
  confirming:
    say: "{reward.name} for {reward.cost, points}?"
    ask: yes_no
    on:
      yes: [{if: {slot: {reward: in_reach}}, do: {redeem: reward}, to: redeemed}, {to: missed}]
      no: kept
  redeemed:
    say: "Code {voucher.code}. {points, points} left."
    listen: {UNDO: [{if: {voucher: true}, to: undone}, {to: too_late}]}
    after: {10m: done}
  undone: {do: {undo_redeem: true}, say: "Back: {points, points}.", final: undone}
  too_late: {say: "Too late.", final: true}
  done: {final: redeemed}
  missed: {say: "Missed.", final: true}
  kept: {say: "Kept.", final: true}
  gone: {final: gone}
  too_few: {say: "Too few.", final: true}
"""
SURVEY = """
flow: survey
title: Survey
kind: service
start: [{keywords: [SURVEY], called: true, to: score}]
states:
  score:
    say: "How was it, 1 to 5?"
    ask: {number: {min: 1, max: 5}, as: score, invalid: "From 1 to 5, please."}
    on:
      given: [{if: {slot: {score: {at_least: 4}}}, to: happy}, {to: sad}]
    after: {3h: {remind: "One number?"}, 1d: gone}
  happy: {do: {record: {event: survey_answered, data: {score: {slot: score}}}}, say: "Great!", final: happy}
  sad: {say: "Oh.", final: sad}
  gone: {final: gone}
"""
NEWS = """
flow: news
title: News
kind: marketing
start: [{called: true, to: told}]
states:
  told: {say: "News!", final: true}
"""
FLOWS = (STOP, HELP, JOIN, UNSURE, BALANCE, REDEEM, SURVEY, NEWS)


@dataclass(frozen=True)
class Shelf:
    """The flows of a test, compiled."""

    programme: Programme
    phrases: Phrases
    compiled: Mapping[str, Compiled]
    gone: frozenset[int] = frozenset()
    old: tuple[Compiled, ...] = ()  #: revisions no longer in force

    @property
    def flows(self) -> Mapping[str, Flow]:
        return {name: compiled.flow for name, compiled in self.compiled.items()}

    def current(self, name: str) -> Compiled | None:
        return self.compiled.get(name)

    def revision(self, revision_id: int) -> Compiled:
        if revision_id in self.gone:
            raise FlowError(f"revision {revision_id} cannot be read any more")
        return next(c for c in (*self.compiled.values(), *self.old) if c.revision_id == revision_id)

    def by_compliance(self, kind: str) -> Compiled:
        for compiled in self.compiled.values():
            if any(trigger.compliance == kind for trigger in compiled.flow.triggers):
                return compiled
        raise FlowError(kind)


def flow_of(text: str) -> Flow:
    name = text.split("flow:", 1)[1].split()[0]
    flow, findings = read_flow(text, f"{name}.yaml")
    assert flow is not None, [str(f.place) + " " + f.message for f in findings]
    return flow


def little(name: str, start: str, states: str) -> str:
    """Return the text of a small service flow."""
    return f"flow: {name}\ntitle: {name}\nkind: service\nstart: {start}\nstates: {states}\n"


def shelf(*more: str, programme: str = PROGRAMME) -> Shelf:
    """Return the shop's flows and some more; one of the same name replaces."""
    flows = {flow.name: flow for flow in (flow_of(text) for text in (*FLOWS, *more))}
    rules, found = read_programme(programme, "programme.yaml")
    words, doubts = read_phrases(PHRASES, "phrases.yaml")
    assert rules is not None, found
    assert words is not None, doubts
    return Shelf(rules, words, {name: compile_flow(flow, n) for n, (name, flow) in enumerate(flows.items(), 1)})


@dataclass
class Player:
    """One customer, texting; keeps what came of each turn."""

    book: Shelf = field(default_factory=shelf)
    customer: Customer = ALICE
    now: datetime = MONDAY
    stock: dict[str, int] = field(default_factory=dict)
    day_code: str = "K7"
    entropy: bytes = b"entropy"
    decision: Decision = field(default_factory=Decision)
    timers: list[fx.SetTimer] = field(default_factory=list)
    ids: Any = field(default_factory=lambda: count(100).__next__)

    def route(self, routing: Routing, body: str = "text", **event: Any) -> list[str]:
        """Send a text that the router read so, and return what the bot says."""
        return self.take(MessageReceived("SM1", self.customer.phone, "+12015550100", body, self.now, **event), routing)

    def start(self, flow: str, **routing: Any) -> list[str]:
        return self.route(Routing("flow", "keyword.exact", flow=flow, **routing))

    def reply(self, outcome: str, value: Any = None, **routing: Any) -> list[str]:
        return self.route(Routing("reply", "reply", outcome=outcome, value=value, **routing))

    def gibberish(self) -> list[str]:
        return self.route(Routing("fallback", "fallback"))

    def stop(self, **event: Any) -> list[str]:
        return self.route(Routing("opt_out", "compliance.stop", flow="stop"), "STOP", **event)

    def fact(self, name: str, fact_id: int = 1, **data: Any) -> list[str]:
        return self.take(FactRecorded(fact_id, name, self.customer.id, self.now, data))

    def due(self, flow: str, trigger: int = 0) -> list[str]:
        return self.take(StartDue(flow, trigger, self.customer.id, self.now, "today"))

    def wait(self, span: timedelta) -> list[str]:
        """Let time pass; every timer that comes due is fired. Returns all that was said."""
        said: list[str] = []
        until = self.now + span
        while due := sorted((t for t in self.timers if t.due_at <= until), key=lambda t: t.due_at):
            self.now = max(self.now, due[0].due_at)
            self.timers.remove(due[0])
            said += self.fire(due[0])
        self.now = until
        return said

    def fire(self, timer: fx.SetTimer) -> list[str]:
        return self.take(
            TimerFired(
                1,
                timer.kind,
                self.customer.id,
                self.now,
                timer.conversation_id,
                timer.turn_no,
                timer.step,
                timer.flow,
                timer.slots,
            )
        )

    def take(self, event: Event, routing: Routing | None = None) -> list[str]:
        self.decision = decide(
            self.book,
            self.customer,
            event,
            routing,
            stock=self.stock,
            now=self.now,
            entropy=self.entropy,
            ids=self.ids,
            day_code=self.day_code,
        )
        self._apply()
        return self.said

    @property
    def said(self) -> list[str]:
        return [message.body for message in self.sent]

    @property
    def sent(self) -> list[fx.SendMessage]:
        return self.effects(fx.SendMessage)

    def effects(self, kind: type[Any]) -> list[Any]:
        return [effect for effect in self.decision.effects if isinstance(effect, kind)]

    @property
    def waits_in(self) -> list[str]:
        """Return the open conversations, the bottom first: `redeem.choosing`."""
        return [f"{c.flow}.{c.state}" for c in self.customer.conversations]

    @property
    def expects(self) -> Any:
        return expectation(self.book, self.customer, self.stock, self.now)

    def outcomes(self) -> dict[str, str | None]:
        return {c.flow: c.outcome for c in self.decision.conversations if c.ended_at is not None}

    def _apply(self) -> None:
        changed = {c.id: c for c in self.decision.conversations}
        old = [changed.pop(c.id, c) for c in self.customer.conversations]
        places = tuple(c for c in (*old, *changed.values()) if c.ended_at is None)
        self.customer = replace(self.customer, conversations=places)
        for effect in self.decision.effects:
            self._apply_one(effect)

    def _apply_one(self, effect: fx.Effect) -> None:
        who = self.customer
        match effect:
            case fx.RecordConsent():
                self.customer = replace(who, consent=effect.status)
            case fx.AddEntry():
                self.customer = replace(
                    who, points=who.points + effect.points, qualifying=who.qualifying + effect.qualifying
                )
            case fx.IssueVoucher():
                voucher = Voucher(
                    len(who.vouchers) + 1,
                    effect.code,
                    effect.name,
                    effect.reward,
                    effect.cost,
                    "issued",
                    self.now,
                    effect.ends_at,
                    effect.entry_key,
                )
                self.customer = replace(who, vouchers=(*who.vouchers, voucher))
            case fx.RevokeVoucher():
                left = tuple(v for v in who.vouchers if v.code != effect.code)
                self.customer = replace(who, vouchers=left)
            case fx.TakeStock():
                self.stock[effect.reward] = self.stock.get(effect.reward, 0) + effect.count
            case fx.SetAttribute():
                self._set(effect.name, effect.value)
            case fx.SetMark():
                self.customer = replace(who, marks={**who.marks, effect.name: effect.day})
            case fx.AddTag():
                self.customer = replace(who, tags=who.tags | {effect.tag})
            case fx.RemoveTag():
                self.customer = replace(who, tags=who.tags - {effect.tag})
            case fx.SetTimer():
                self.timers.append(effect)
            case fx.CancelTimers():
                self.timers = [t for t in self.timers if effect.scope is not None and t.scope != effect.scope]
        self._count_redeemed(effect)

    def _set(self, name: str, value: Any) -> None:
        own = {"name", "birthday", "email", "language", "frequency", "tier", "marketing_paused", "referral_code"}
        if name in own:
            self.customer = replace(self.customer, **{name: value})
            if name == "language":
                self.customer = replace(self.customer, language_chosen=True)
            return
        attributes = {**self.customer.attributes, name: value}
        self.customer = replace(self.customer, attributes={k: v for k, v in attributes.items() if v is not None})

    def _count_redeemed(self, effect: fx.Effect) -> None:
        if isinstance(effect, (fx.IssueVoucher, fx.RevokeVoucher)):
            redeemed: dict[str, int] = {}
            for voucher in self.customer.vouchers:
                if voucher.reward and voucher.cost:
                    redeemed[voucher.reward] = redeemed.get(voucher.reward, 0) + 1
            self.customer = replace(self.customer, redeemed=redeemed)
