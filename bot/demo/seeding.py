"""The demo's year: who did what when, drawn from one seeded random source, then played in order."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from heapq import heapify, heappop, heappush
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine

from bot.catalog import Book, Catalog
from bot.demo.colleagues import Colleagues
from bot.demo.history import Past
from bot.demo.people import PEOPLE, UNDECIDED, Person
from bot.desk.tallying import tally
from bot.occasions import SINCE
from bot.phone import parse
from bot.settings import Settings
from bot.turn import Turns
from storage import customers, switches, vouchers
from storage.database import writing
from storage.rows import Row

MARKER = "demo_seeded"
_SEED = 1906  # any number; the same one gives the same year
_OPENS, _CLOSES = 7.0, 19.0  # hours between which customers buy
_JOIN = {"en": ("JOIN", "YES"), "es": ("UNIRME", "SÍ")}
_SURVEY = ("survey", "after_visit")  # asked a day after the first purchase
_SCORES = ("5", "4", "5 great coffee", "3")
_REDEEM = {"en": "REDEEM", "es": "CANJEAR"}


def seed(engine: Engine, catalog: Catalog, settings: Settings, now: datetime) -> bool:
    """Fill an installation with the demo's customers in one transaction; False when it was done before."""
    with writing(engine) as conn:
        if switches.get(conn, MARKER):
            return False
        _play(conn, Turns(engine, catalog, settings), catalog.book, settings, now)
        switches.set(conn, MARKER, now.isoformat())
    while tally(engine, ZoneInfo(catalog.book.programme.shop.zone), now):
        pass  # some weeks each time, so that the reports have the year
    return True


@dataclass(frozen=True, slots=True, order=True)
class _Deed:
    """One thing one person does at one moment; `words` is a text, `amount` a purchase."""

    at: datetime
    person: Person = field(compare=False)
    words: str | None = field(default=None, compare=False)
    amount: int = 0
    number: int = 0  #: which purchase it is
    uses_voucher: bool = False


def _play(conn: Connection, turns: Turns, book: Book, settings: Settings, now: datetime) -> None:
    shop = book.programme.shop
    zone = ZoneInfo(shop.zone)
    deeds = list(_deeds(now, zone))
    heapify(deeds)
    talkative = {person.phone: person for person in PEOPLE if person.tells}

    def arrived(text: Row) -> None:
        person = talkative.get(text["recipient"])
        if person is not None and (text["flow"], text["flow_state"]) == _SURVEY:
            heappush(deeds, _Deed(past.now + timedelta(minutes=17), person, _SCORES[len(person.name) % len(_SCORES)]))

    number = settings.sender or parse(shop.phone, shop.country) or shop.phone
    past = Past(conn, turns, number, deeds[0].at, arrived)
    colleagues = Colleagues(conn, past, number, deeds[0].at, now)
    while deeds and deeds[0].at < now:
        colleagues.answer(deeds[0].at)
        if not past.step(deeds[0].at):
            _do(conn, past, book, heappop(deeds))
    colleagues.answer(now)
    past.until(now)
    vouchers.expire(conn, now)
    switches.set(conn, SINCE, now.isoformat())  # today's daily starts are over: the demo begins with a quiet day


def _do(conn: Connection, past: Past, book: Book, deed: _Deed) -> None:
    person = deed.person
    known = customers.by_phone(conn, person.phone)
    if deed.words is not None:
        past.text(person.phone, _with_code(conn, deed.words), deed.at)
        if known is None:
            about = {"name": person.name, "email": person.email, "birthday": _birthday(person)}
            if not person.tells and person.phone != UNDECIDED and (new := customers.by_phone(conn, person.phone)):
                past.set(new["id"], {key: value for key, value in about.items() if value})
        return
    if known is None:
        return
    if deed.uses_voucher:
        past.use_voucher(known["id"], deed.at)
        return
    past.buy(known["id"], deed.amount, f"demo:{person.phone}:{deed.number}", deed.at)
    if known["consent"] == "subscribed" and person.redeems and deed.number % person.redeems == person.redeems - 1:
        _redeem(conn, past, book, deed)


def _redeem(conn: Connection, past: Past, book: Book, deed: _Deed) -> None:
    """Choose a reward: now this, now that, of those the points reach."""
    person = deed.person
    past.text(person.phone, _REDEEM[person.language], deed.at + timedelta(minutes=2))
    known = customers.by_phone(conn, person.phone)
    offered = [r for r in book.programme.rewards if known and r.cost <= known["points"] and not r.limit_per_customer]
    if offered:
        past.text(person.phone, str(1 + deed.number % len(offered)), deed.at + timedelta(minutes=3))
        past.text(person.phone, _JOIN[person.language][1], deed.at + timedelta(minutes=4))


def _with_code(conn: Connection, words: str) -> str:
    """Put a friend's code where the words name the friend's number: `JOIN +1646...` becomes `JOIN ANA42`."""
    head, _, number = words.partition(" ")
    friend = customers.by_phone(conn, number) if head == "JOIN" and number else None
    return f"JOIN {friend['referral_code'] or ''}".strip() if friend else words


def _deeds(now: datetime, zone: ZoneInfo) -> Iterator[_Deed]:
    for person in PEOPLE:
        chance = random.Random(f"{_SEED}:{person.phone}")
        today = now.astimezone(zone).date()
        on = partial(_moment, today, zone)
        begin = on(person.joined, _hour(chance))
        yield from _joining(person, begin, chance)
        for days, clock, words in person.texts:
            at = on(days, time.fromisoformat(clock))
            if at < now:
                yield _Deed(at, person, words)
        yield from (deed for deed in _purchases(person, on, chance) if begin + timedelta(hours=1) < deed.at < now)


def _joining(person: Person, begin: datetime, chance: random.Random) -> Iterator[_Deed]:
    join, yes = _JOIN[person.language]
    yield _Deed(begin, person, f"JOIN {person.friend_of}" if person.friend_of else join)
    if person.phone == UNDECIDED:
        return
    yield _Deed(begin + timedelta(seconds=chance.randrange(25, 240)), person, yes)
    if person.tells:
        later = begin + timedelta(days=1, hours=3)
        for minutes, words in enumerate(("PROFILE", person.name, _told_birthday(person, chance))):
            yield _Deed(later + timedelta(minutes=minutes), person, words)


def _purchases(person: Person, on: partial[datetime], chance: random.Random) -> Iterator[_Deed]:
    day, number = person.joined - 1, 0
    while person.every and day >= person.last:
        at = on(day, _hour(chance))
        amount = max(250, round(chance.gauss(person.spends, person.spends / 4) / 25) * 25)
        yield _Deed(at, person, amount=amount, number=number)
        if person.redeems and person.uses and number % person.redeems == 1:
            yield _Deed(at + timedelta(minutes=1), person, uses_voucher=True)
        number += 1
        day -= max(1, round(chance.gauss(person.every, person.every / 3)))


def _moment(today: date, zone: ZoneInfo, days: int, clock: time) -> datetime:
    return datetime.combine(today - timedelta(days=days), clock, zone).astimezone(UTC)


def _hour(chance: random.Random) -> time:
    """Draw a time of day: most come for the first coffee, the rest until evening."""
    hour = min(_CLOSES, max(_OPENS, chance.choice((chance.gauss(8.5, 0.7), chance.uniform(_OPENS, _CLOSES)))))
    return time(int(hour), int(hour * 60) % 60, chance.randrange(60))


def _birthday(person: Person) -> date | None:
    """Return the birthday as the profile flow writes it: in a leap year, as the year is nobody's business."""
    return date.fromisoformat(f"2000-{person.birthday}") if person.birthday else None


def _told_birthday(person: Person, chance: random.Random) -> str:
    if person.birthday is None:
        return "SKIP" if person.language == "en" else "SALTAR"
    month, day = person.birthday.split("-")
    return f"{int(month)}/{int(day)}" if person.language == "en" else f"{int(day)}/{int(month)}"
