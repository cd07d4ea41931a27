"""One turn in the making: mutable copies, thrown away when anything goes wrong.

A `Turn` holds the customer as decided so far, the open conversations as frames, and what was said and
decided. Each change is visible to later guards and texts of the same turn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from bot.engine import facts, tiers
from bot.engine.calendar import zone_named
from bot.engine.conversation import Conversation, Customer
from bot.engine.decision import Step
from bot.engine.definition import Text
from bot.engine.effects import Effect
from bot.engine.events import Event, FactRecorded, MessageReceived, TimerFired
from bot.engine.frame import Frame
from bot.engine.machine import Compiled
from bot.engine.message import Formats, Voice, choose, render, voice
from bot.engine.programme import Programme, Tier
from bot.engine.saying import Line, purpose_of
from bot.engine.values import Values
from bot.errors import FlowError, TurnLimitExceeded

if TYPE_CHECKING:
    from bot.engine.decide import Book

MAX_STEPS = 50  #: arrows in one turn; more is a circle that never asks anything


class Turn:
    """Everything one event may touch, and everything decided about it so far."""

    __slots__ = (
        "awarded",
        "book",
        "customer",
        "customer_before",
        "day_code",
        "effects",
        "entropy",
        "event",
        "everyone",
        "formats",
        "frames",
        "ids",
        "keys",
        "language",
        "late",
        "lines",
        "lost",
        "marketing",
        "muted",
        "now",
        "opted_out",
        "programme",
        "steps",
        "stock",
        "taken_here",
        "was_out",
    )

    def __init__(
        self,
        book: Book,
        customer: Customer,
        event: Event | None,
        *,
        stock: Mapping[str, int],
        now: datetime,
        entropy: bytes = b"",
        ids: Callable[[], int] | None = None,
        day_code: str = "",
    ) -> None:
        self.book = book
        self.programme: Programme = book.programme
        self.customer: Customer = customer
        self.customer_before = customer
        self.event = event
        self.now = now
        self.entropy = entropy
        self.ids = ids
        self.day_code = day_code
        self.stock = stock
        self.taken_here: dict[str, int] = {}
        shop = book.programme.shop
        self.formats = Formats(shop.currency, shop.zone)
        self.language: str = _language(customer)
        self.effects: list[Effect] = []
        self.lines: list[Line] = []
        self.steps: list[Step] = []
        self.keys: set[str] = set()
        self.awarded: int = 0  #: points given in this turn
        self.marketing = False  #: a marketing flow has a part in this turn
        self.muted: set[int] = set()  #: conversations that had something to say and were not allowed to
        self.late: set[int] = set()  #: conversations whose words come too late to be sent
        self.was_out = customer.consent == "unsubscribed"
        self.opted_out = False  #: the customer left in this turn
        self.lost: list[Conversation] = []  #: open ones whose revision cannot be read any more
        self.frames: list[Frame] = []  #: open conversations, the bottom of the stack first
        for conversation in customer.conversations:
            self._take_up(conversation)
        self.everyone: list[Frame] = list(self.frames)  #: ended ones too

    def _take_up(self, conversation: Conversation) -> None:
        try:
            compiled = self.book.revision(conversation.revision_id)
        except (FlowError, LookupError):
            self.lost.append(conversation)
            return
        if conversation.state in compiled.flow.states:
            self.frames.append(Frame(self, compiled, conversation))
        else:
            self.lost.append(conversation)

    @property
    def by_text(self) -> bool:
        """Say whether the customer's own text caused this turn."""
        return isinstance(self.event, MessageReceived)

    @property
    def since(self) -> datetime:
        """Return when the turn's cause came about: a fact or a timer may wait long for a process that takes it."""
        event = self.event
        if isinstance(event, FactRecorded):
            return event.due_at or event.at
        return event.at if isinstance(event, TimerFired) else self.now

    @property
    def held(self) -> bool:
        """Say whether a person holds the conversation."""
        return self.customer.held_until is not None and self.customer.held_until > self.now

    @property
    def voice(self) -> Voice:
        """Return how numbers and dates are said to this customer."""
        return voice(self.language, self.formats)

    @property
    def tier(self) -> Tier | None:
        """Return the customer's tier."""
        return tiers.current(self.programme, self.customer)

    @property
    def today(self) -> date:
        """Return the day at the shop."""
        return self.local_day(self.now)

    @property
    def zone(self) -> str:
        """Return the zone whose clock the customer lives by, as far as it is known."""
        zone = self.customer.zone
        return zone if zone is not None and zone_named(zone) is not None else self.programme.shop.zone

    def local_day(self, moment: datetime) -> date:
        """Return the day of a moment at the shop."""
        return moment.astimezone(zone_named(self.programme.shop.zone)).date()

    def in_language(self, words: Mapping[str, str]) -> str:
        """Return the words for this customer, else the English ones."""
        found = words.get(self.language) or words.get(self.language.partition("-")[0]) or words.get("en")
        return found if found is not None else next(iter(words.values()), "")

    def frame(self, conversation_id: int | None) -> Frame | None:
        """Return an open conversation by its id."""
        return next((frame for frame in self.frames if frame.id == conversation_id), None)

    def new_frame(self, compiled: Compiled) -> Frame:
        """Return a conversation that has not begun yet."""
        return Frame(self, compiled)

    def next_id(self) -> int:
        """Return an id for a new conversation."""
        assert self.ids is not None
        return self.ids()

    def key(self, what: str, frame: Frame) -> str:
        """Return an idempotency key: the same event decided again makes the same key."""
        base = f"{what}:{frame.id}:{frame.turn_no}"
        key, count = base, 1
        while key in self.keys:
            count += 1
            key = f"{base}:{count}"
        self.keys.add(key)
        return key

    def change(self, **facts: Any) -> None:
        """Change the working copy of the customer."""
        self.customer = replace(self.customer, **facts)

    def taken(self, reward: str) -> int:
        """Return how many of a reward are gone, those of this turn included."""
        return self.stock.get(reward, 0) + self.taken_here.get(reward, 0)

    def note(self, step: Step) -> None:
        """Keep a step for the explanation. Raises TurnLimitExceeded when there are too many."""
        self.steps.append(step)
        if len(self.steps) > MAX_STEPS:
            raise TurnLimitExceeded

    def allows(self, compiled: Compiled) -> str | None:
        """Return why a flow may not speak of its own accord now, None when it may."""
        if self.by_text or compiled.flow.kind != "marketing":
            return None
        if self.customer.consent != "subscribed":
            return "consent subscribed"
        return "no unsettled doubt" if self.customer.marketing_paused else None

    def look(self, fact: str, key: str | None) -> Any:
        """Return a fact asked outside of any conversation."""
        return facts.look(self, None, fact, key)

    def rendered(self, frame: Frame | None, text: Text, extra: Mapping[str, Any] | None = None) -> str:
        """Return a text's words for this customer."""
        look = self.look if frame is None else frame.look
        template = choose(text, self.language, look, self.now)
        return render(template, Values(self, frame, extra), self.language, self.formats)

    def say(
        self,
        frame: Frame | None,
        text: Text,
        extra: Mapping[str, Any] | None = None,
        deadline: datetime | None = None,
        picture: str | None = None,
    ) -> None:
        """Say a text, unless the customer is out and did not ask.

        After `deadline` it is pointless; without one, when the flow's or the purpose's time is over, counted from
        the turn's cause. A text that is late already is kept for the books, and never sent.
        """
        if self.was_out and not self.by_text and self.customer.consent == "unsubscribed":
            if frame is not None:
                self.muted.add(frame.id)
            return
        body = self.rendered(frame, text, extra).strip()
        purpose = purpose_of(self, frame)
        own = None if frame is None or self.by_text else frame.compiled.flow.relevant
        deadline = deadline or self.since + (own or self.programme.limits.relevance(purpose))
        if frame is not None and deadline <= self.now:
            self.late.add(frame.id)
        if frame is None:
            self.lines.append(Line(body, purpose, deadline))
        else:
            flow = frame.compiled.flow.name
            self.lines.append(Line(body, purpose, deadline, frame.id, flow, frame.state, picture))


def _language(customer: Customer) -> str:
    if customer.language_chosen:
        return customer.language
    heard = customer.attributes.get("language_heard")
    return heard if isinstance(heard, str) else customer.language
