"""How fast the console is when the shop is large: `python -m tests.bench.console [--customers N] [--texts N]`.

Makes a database with customers and texts of a year, their index and what staff did, and asks for each page and
each search many times, as a manager who is signed in. A page is timed inside the server, with nothing remembered
from the request before. On PostgreSQL it makes a fresh database on the server TEST_POSTGRES_URL names, or the one
of this machine, and drops it. `--keep URL` uses a database that a run before has made, or makes it there.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from sqlalchemy import Engine, event
from werkzeug.test import TestResponse

from bot.console.inbox import VIEWS
from bot.desk import accounts, searching
from bot.desk.actor import Actor
from storage import customers, staff
from storage.database import reading, writing
from storage.migrate import upgrade
from tests.bench.busy import fill
from tests.bench.postgres import fresh_database
from tests.bench.shop import HEAVY, code, make
from tests.console.people import Person
from tests.shop import Shop, open_shop

MOST_MS = 150  #: of server time, for every page
CODE = code(500)
LISA = Actor(None, "bench", "support")
Page = Callable[[Person], TestResponse]


@contextmanager
def opened(kind: str, keep: str | None) -> Iterator[Shop]:
    """Open a shop on a fresh database, or on the one to keep."""
    with ExitStack() as stack:
        if keep:
            url = keep
        elif kind == "sqlite":
            url = f"sqlite:///{Path(stack.enter_context(tempfile.TemporaryDirectory())) / 'console.db'}"
        else:
            url = stack.enter_context(fresh_database())
        upgrade(url)
        yield stack.enter_context(open_shop(url, datetime.now(UTC)))


def made(shop: Shop, people: int, texts: int) -> None:
    """Fill the shop when it is empty."""
    engine = shop.services.engine
    with reading(engine) as conn:
        empty = customers.count(conn) == 0
    if empty:
        begun = time.perf_counter()
        make(engine, people, texts)
        fill(engine, people, shop.clock.now())
        print(f"made in {time.perf_counter() - begun:.0f} s", flush=True)


#: What is asked, and how: each query of a line once in every round.
SEARCHES = {
    "rare word": ("walnut", "quokka", "w1a2f walnut", "nobodysword"),
    "common word": ("coffee", "my", "points", "reply"),
    "common words": ("coffee points", "reply coffee", "my card lost", "thank you shop"),
    "common words never together": ("dog reply", "balance coffee", "open lost", "yes never"),
    "a season's word": ("pumpkin", "pumpkin coffee"),
    "phrase": ('"never got my coffee"', '"my usual"', '"got coffee my"', '"you do i"'),
    "beginning": ("co", "cof", "nev", "po", "w1", "w1a", "never got my cof"),
    "part of a number": ("555", "2015", "0123", "5550", "77019", "201 555", "(201) 001-"),
    "name": ("ana lopez", "müller", "ana", "lop", "rosa mul", "ana 0123"),
    "e-mail": ("ana.lopez1540@example.com", "example.com", "lopez1540"),
    "code": (CODE, CODE[:4], CODE[:2], "K7MR-2X", "k7mr", "2A"),
    "as one types": ("n", "ne", "nev", "never", "never g", "never go", "never got", "never got m", "never got my c"),
}


def pages_of(shop: Shop) -> dict[str, Page]:
    """Return how each page is asked for, by name."""
    today, busiest = shop.clock.now().date(), str(shop.one(_NTH, n=HEAVY))
    anybody, assignee = str(shop.one(_NTH, n=4_000)), shop.one("SELECT max(assignee_id) FROM desk")
    voucher, phone = (shop.one(f"SELECT {column} FROM {table} ORDER BY id LIMIT 1 OFFSET 500")  # noqa: S608
                      for column, table in (("code", "vouchers"), ("phone", "customers")))  # fmt: skip
    month, before = today - timedelta(days=30), str(audit_id(shop))
    pages: dict[str, str] = {
        **{f"inbox: {name}": f"inbox?view={name}" for name in VIEWS},
        "inbox: a flow": "inbox?flow=redeem",
        "inbox: a tag of a third": "inbox?view=recent&tag=regular",
        "inbox: a tag of few": "inbox?view=recent&tag=vip",
        "inbox: unanswered, a tag of few": "inbox?view=unanswered&tag=vip",
        "inbox: somebody's": f"inbox?view=recent&assignee={assignee}",
        "inbox: nobody's, unanswered": "inbox?view=unanswered&assignee=nobody",
        "inbox: a day": f"inbox?day={month}",
        "inbox: a day and somebody": f"inbox?day={month}&assignee={assignee}",
        "inbox: a day and a tag of few": f"inbox?day={month}&tag=vip",
        "conversation": f"customers/{anybody}/conversation",
        "conversation of 50,000 texts": f"customers/{busiest}/conversation",
        "the same, new": f"customers/{busiest}/conversation/new",
        "customer": f"customers/{anybody}",
        "customer with 50,000 texts": f"customers/{busiest}",
        "evidence": f"customers/{anybody}/evidence",
        "evidence of 50,000 texts": f"customers/{busiest}/evidence",
        "privacy": f"customers/{busiest}/privacy",
        "erasing, before": f"customers/{busiest}/privacy/erase",
        "till": "till",
        "queue": "queue",
        "approvals": "approvals",
        "reports, 30 days": "reports?days=30",
        "reports, 365 days": "reports?days=365",
        "teaching": "teaching",
        "audit log": "audit",
        "audit log, the middle": f"audit?before={before}",
        "audit log, an action": "audit?action=points.adjusted",
        "audit log, a person": f"audit?person={assignee}",
        "audit log, a day": f"audit?from={month}&to={month}",
        "audit log, a person's action": f"audit?person={assignee}&action=points.adjusted&from={month}",
        "audit log, a customer": "audit?customer=" + phone.replace("+", "%2B"),
        "mentions": "mentions",
        "saved replies": "replies",
        "account": "account",
        "search page": "search?q=never+got+my+coffee",
    }
    administrators = {"staff": "staff"}
    typed = {"till: a code": voucher, "till: a number": phone}
    return {
        **{name: partial(_opened, f"/console/{path}") for name, path in pages.items()},
        **{name: partial(_looked_up, what) for name, what in typed.items()},
        **{
            name: partial(_as_administrator, signed_in(shop, "staff1@example.com"), f"/console/{path}")
            for name, path in administrators.items()
        },
    }


_NTH = "SELECT id FROM customers ORDER BY id LIMIT 1 OFFSET :n"


def audit_id(shop: Shop) -> int:
    """Return an entry in the middle of the audit log."""
    found: int = shop.one("SELECT (min(id) + max(id)) / 2 FROM audit_log")
    return found


def _opened(path: str, person: Person) -> TestResponse:
    return person.client.get(path)


def _as_administrator(administrator: Person, path: str, _manager: Person) -> TestResponse:
    return administrator.client.get(path)


def _looked_up(what: str, person: Person) -> TestResponse:
    return person.client.post("/console/till", data={"csrf_token": person.token, "what": what})


def signed_in(shop: Shop, email: str = "staff0@example.com") -> Person:
    """Return somebody of the made shop at their browser."""
    with writing(shop.services.engine) as conn:
        row = staff.by_email(conn, email)
        assert row is not None
        now = shop.clock.now()
        token = accounts.open_session(conn, row, now, "127.0.0.1", "bench", second_factor_due=False)
    person = Person(shop, row["id"], row["name"], row["role"])
    with person.client.session_transaction(path="/console/") as browser:
        browser["token"] = token
    person.read("/console/account")
    return person


class InSQL:
    """Seconds spent in statements; what travels as a PostgreSQL pipeline (the timeline's queries) is not in it."""

    def __init__(self, engine: Engine) -> None:
        self.seconds = 0.0
        self.statements = 0
        self._begun = 0.0
        event.listen(engine, "before_cursor_execute", self._begin)
        event.listen(engine, "after_cursor_execute", self._end)

    def _begin(self, *_: object) -> None:
        self._begun = time.perf_counter()

    def _end(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._begun
        self.statements += 1


def measure_pages(shop: Shop, rounds: int, only: str) -> float:
    """Print how long each page takes; return the slowest median, in milliseconds."""
    person, in_sql = signed_in(shop), InSQL(shop.services.engine)
    print(f"{'page, ms':40} {'median':>8} {'p95':>8} {'least':>8} {'SQL':>6} {'statements':>10} {'KB':>6}")
    slowest = 0.0
    for name, page in pages_of(shop).items():
        if only not in name:
            continue
        times, size = [], 0
        for number in range(rounds + 1):
            shop.app.extensions.pop("inbox", None)  # what the inbox remembers for a second
            if number == 1:  # the first one plans its statements
                in_sql.seconds, in_sql.statements = 0.0, 0
            begun = time.perf_counter()
            answer = page(person)
            times.append((time.perf_counter() - begun) * 1000)
            assert answer.status_code == 200, f"{name}: {answer.status}"
            size = len(answer.data)
        share = in_sql.seconds * 1e5 / sum(times[1:])
        middle, p95 = _middle(times[1:])
        slowest = max(slowest, middle)
        counted = f"{share:5.0f}% {in_sql.statements / rounds:10.0f} {size / 1000:6.0f}"
        print(f"{name:40} {middle:8.1f} {p95:8.1f} {min(times[1:]):8.1f} {counted}", flush=True)
    return slowest


def measure_searches(engine: Engine, rounds: int) -> None:
    """Print how long each query takes, in milliseconds."""
    print(f"{'':40} {'median':>8} {'p95':>8} {'undisturbed, the slowest':>25}")
    everything: list[list[float]] = []
    for name, queries in SEARCHES.items():
        found = [_timed(engine, rounds, query) for query in queries]
        everything += found
        _print("search: " + name, found)
    _print("search: all of these", everything)


def _timed(engine: Engine, rounds: int, query: str) -> list[float]:
    times = []
    for _ in range(rounds + 1):
        begun = time.perf_counter()
        searching.find(engine, LISA, query, datetime.now(UTC))
        times.append((time.perf_counter() - begun) * 1000)
    return times[1:]


def _middle(times: Sequence[float]) -> tuple[float, float]:
    ordered = sorted(times)
    return statistics.median(ordered), ordered[int(len(ordered) * 0.95)]


def _print(name: str, found: list[list[float]]) -> None:
    """Print all times together; and, of the least time of each query, the greatest: on a busy machine what counts."""
    middle, p95 = _middle([time for each in found for time in each])
    print(f"{name:40} {middle:8.1f} {p95:8.1f} {max(map(min, found)):25.1f}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make, index, measure, print; exit 1 when a page takes longer than 150 ms of server time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--texts", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--database", choices=("sqlite", "postgres"), nargs="+", default=["postgres", "sqlite"])
    parser.add_argument("--keep", help="URL of a database to use or to make and keep")
    parser.add_argument("--only", default="", help="pages with this in their name")
    parser.add_argument("--parts", choices=("pages", "searches"), nargs="+", default=["pages", "searches"])
    options = parser.parse_args(arguments)
    slowest = 0.0
    for kind in ["kept"] if options.keep else options.database:
        print(f"\n{options.customers:,} customers, {options.texts:,} texts, {kind}", flush=True)
        with opened(kind, options.keep) as shop:
            made(shop, options.customers, options.texts)
            if "pages" in options.parts:
                slowest = max(slowest, measure_pages(shop, options.rounds, options.only))
            if "searches" in options.parts:
                measure_searches(shop.services.engine, options.rounds)
    return 0 if slowest < MOST_MS else 1


if __name__ == "__main__":
    raise SystemExit(main())
