"""The closed catalogue of what a flow can do.

One declaration serves the reader, the JSON Schema, the prover and the marketer's manual. Each action says
in `form` what `Action.arguments` holds after reading: every key is always there, absent ones are None
(tables: empty), so that deciding never has to guess. Where a form says `value` it is a plain word, number
or yes/no, or `{"slot": "name"}`, which stands for the answer in that slot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

ArgumentType = Literal[
    "word",  # one word: lower case, digits, _
    "reason",  # free words for staff
    "points",  # a whole number, or a name in the programme's `awards`
    "per",  # day
    "wording",  # a name in the programme's `wordings`
    "reward",  # a key in the programme's `rewards`
    "flow",  # a flow's name
    "slot",  # a slot's name
    "event",  # a fact's name
    "recipient",  # referrer
    "duration",  # 3 days
    "clock",  # "10:00"
    "text",  # a text in all languages
    "values",  # a table of names to values
    "attributes",  # the same, the names are the customer's attributes
]


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument: `in` of `remind` is a required duration."""

    name: str
    type: ArgumentType
    meaning: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class ActionType:
    """One kind of action.

    `bare` names the argument that a plain value stands for (`tag: vip` is `tag: {tag: vip}`); an action
    with no arguments is written `unsubscribe: true`. `changes` tells the prover what it touches.
    """

    name: str
    meaning: str
    example: str
    form: str  #: what `Action.arguments` holds after reading
    arguments: tuple[Argument, ...] = ()
    bare: str | None = None
    changes: Literal["consent", "points", "customer", "timers", "flow", "nothing"] = "nothing"


_VALUE = 'a word, a number, yes or no, or {"slot": name}'

ACTIONS: Mapping[str, ActionType] = {
    action.name: action
    for action in (
        ActionType(
            "subscribe",
            "The customer is subscribed from now on; the consent record names the wording and its version.",
            "subscribe: join",
            '{"wording": str}',
            (Argument("wording", "wording", "the consent wording that was shown", required=True),),
            bare="wording",
            changes="consent",
        ),
        ActionType(
            "request_consent",
            "The customer was asked and has not yet confirmed; consent is pending.",
            "request_consent: join",
            '{"wording": str}',
            (Argument("wording", "wording", "the consent wording that was shown", required=True),),
            bare="wording",
            changes="consent",
        ),
        ActionType(
            "unsubscribe",
            "The customer is out: pending messages and reminders are cancelled, every open conversation ends.",
            "unsubscribe: true",
            "{}",
            changes="consent",
        ),
        ActionType(
            "award",
            "Give points. With `once` the same customer gets them once under that name, or once a day.",
            "award: {points: welcome, once: welcome, reason: Welcome}",
            '{"points": int | str (a name in awards), "once": str | None, "per": "day" | None, "reason": str}',
            (
                Argument("points", "points", "how many, or a name in the programme's awards", required=True),
                Argument("once", "word", "give them only once under this name"),
                Argument("per", "per", "`day`: once a day instead of once ever (needs `once`)"),
                Argument("reason", "reason", "what staff and ledger read; default: the award's name, else `once`"),
            ),
            bare="points",
            changes="points",
        ),
        ActionType(
            "redeem",
            "Burn the points of the reward chosen in a slot, take it from stock and issue its voucher.",
            "redeem: reward",
            '{"slot": str}',
            (Argument("slot", "slot", "the slot with the chosen reward", required=True),),
            bare="slot",
            changes="points",
        ),
        ActionType(
            "undo_redeem",
            "Revoke the voucher issued in this conversation and give points and stock back.",
            "undo_redeem: true",
            "{}",
            changes="points",
        ),
        ActionType(
            "issue_voucher",
            "Give a present: a voucher that costs no points.",
            "issue_voucher: {name: {en: Free cookie, es: Galleta gratis}, ends: 14 days}",
            '{"name": Text, "ends": timedelta, "reward": str | None}',
            (
                Argument("name", "text", "what the voucher is called", required=True),
                Argument("ends", "duration", "how long it can be used", required=True),
                Argument("reward", "reward", "the programme's reward it stands for"),
            ),
            changes="points",
        ),
        ActionType(
            "set",
            "Write down facts about the customer: name, birthday, email, language, frequency, or own attributes.",
            "set: {name: {slot: name}, favourite: latte}",
            '{"values": {name: value}}; value is ' + _VALUE,
            (Argument("values", "attributes", "attribute names and their values", required=True),),
            bare="values",
            changes="customer",
        ),
        ActionType(
            "tag",
            "Tag the customer.",
            "tag: vip",
            '{"tag": str}',
            (Argument("tag", "word", "the tag", required=True),),
            bare="tag",
            changes="customer",
        ),
        ActionType(
            "untag",
            "Take a tag away.",
            "untag: vip",
            '{"tag": str}',
            (Argument("tag", "word", "the tag", required=True),),
            bare="tag",
            changes="customer",
        ),
        ActionType(
            "remind",
            "Start a flow later. A second reminder under the same key replaces the first.",
            'remind: {key: welcome2, in: 1 day, at: "10:00", flow: welcome}',
            '{"key": str, "in": timedelta, "at": "HH:MM" | None, "flow": str}',
            (
                Argument("key", "word", "its name, for `forget`", required=True),
                Argument("in", "duration", "how much later", required=True),
                Argument("at", "clock", "the first such local time after that"),
                Argument("flow", "flow", "the flow to start", required=True),
            ),
            changes="timers",
        ),
        ActionType(
            "forget",
            "Cancel a reminder by its key, or all of them.",
            "forget: welcome2",
            '{"key": str}; "all" means every reminder of the customer',
            (Argument("key", "word", "the reminder's key, or `all`", required=True),),
            bare="key",
            changes="timers",
        ),
        ActionType(
            "start",
            "End this conversation and start another flow in the same turn.",
            "start: preferences",
            '{"flow": str}',
            (Argument("flow", "flow", "the flow to start", required=True),),
            bare="flow",
            changes="flow",
        ),
        ActionType(
            "hand_over",
            "Put the customer into the queue for a person.",
            "hand_over: asked for a person",
            '{"reason": str}',
            (Argument("reason", "reason", "what staff read", required=True),),
            bare="reason",
        ),
        ActionType(
            "record",
            "Make a fact known that other flows may start from, about this customer or the one who referred them.",
            "record: {event: survey_answered, data: {score: {slot: score}}}",
            '{"event": str, "data": {name: value}, "to": "referrer" | None}; value is ' + _VALUE,
            (
                Argument("event", "event", "the fact's name", required=True),
                Argument("data", "values", "what is known of it"),
                Argument("to", "recipient", "`referrer`: the fact is about the customer who referred this one"),
            ),
            bare="event",
        ),
        ActionType(
            "pause_marketing",
            "No marketing goes out until the doubt whether the customer wants out is settled.",
            "pause_marketing: true",
            "{}",
            changes="customer",
        ),
        ActionType(
            "settle_doubt",
            "The customer said they stay: marketing goes on again.",
            "settle_doubt: true",
            "{}",
            changes="customer",
        ),
        ActionType(
            "remember",
            "Set slots of this conversation.",
            "remember: {asked: 1, choice: {slot: reward}}",
            '{"values": {slot: value}}; value is ' + _VALUE,
            (Argument("values", "values", "slots and their values", required=True),),
            bare="values",
        ),
    )
}

SETTABLE: Mapping[str, str] = {
    "name": "the customer's name",
    "birthday": "a date",
    "email": "an e-mail address",
    "language": "a language of the shop",
    "frequency": "normal or less",
}
"""Attributes with a meaning of their own that `set` may write; every other name is the shop's own attribute."""

RESERVED: frozenset[str] = frozenset(
    {"consent", "points", "tier", "tags", "zone", "marketing_paused", "phone", "purchases", "spent", "joined", "id"}
)
"""Names that `set` may not write: they follow from records, or other actions change them."""
