"""Laws of taking over, over random interleavings of texts, two people, a manager, clocks and ticks."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.desk.actor import NotPossible
from storage import leases, messages
from storage.database import reading
from tests.desk.people import Desk
from tests.shop import open_shop

PEOPLE = st.sampled_from(["nora", "omar", "mia"])
STEPS = st.one_of(
    st.tuples(
        st.just("text"), st.sampled_from(["STOP", "HELP", "START", "BALANCE", "where is it?", "thanks", "REDEEM"])
    ),
    st.tuples(st.just("take_over"), PEOPLE, st.sampled_from(["", "she is at lunch"])),
    st.tuples(st.just("answer"), PEOPLE, st.integers(0, 3)),
    st.tuples(st.just("hand_back"), PEOPLE, st.sampled_from([None, "resume", "ask_again", "end"])),
    st.tuples(st.just("wait"), st.sampled_from([1, 12, 31, 70, 130])),
    st.tuples(st.just("clock"), st.sampled_from([5, 31, 125])),
)
REMINDER = "still waiting. Reply with the number"
HEARD = {"opt_out", "help", "opt_in"}


class Story:
    """One customer in the middle of REDEEM, and everything that happens to them."""

    def __init__(self, desk: Desk, phone: str) -> None:
        self.desk, self.phone, self.answers = desk, phone, 0
        desk.shop.joined(phone)
        desk.wait(minutes=1)
        desk.shop.says(phone, "REDEEM")
        self.id = desk.id_of(phone)
        self.reminded: dict[tuple[int, int], int] = {}
        self.counted = 0

    def happen(self, step: tuple[Any, ...]) -> None:
        """Do one step, a second after the last one, and count the reminder that it may cause."""
        before = self.place()
        self.desk.shop.clock.turn_to(self.desk.shop.clock.now() + timedelta(seconds=1))
        with suppress(NotPossible):
            getattr(self, step[0])(*step[1:])
        said = self.desk.shop.one(
            "SELECT count(*) FROM messages WHERE customer_id = :id AND body LIKE :body",
            id=self.id,
            body=f"%{REMINDER}%",
        )
        if before is not None:
            self.reminded[before] = self.reminded.get(before, 0) + said - self.counted
        self.counted = said
        self.check_holder()

    def text(self, body: str) -> None:
        self.desk.shop.says(self.phone, body)

    def take_over(self, who: str, reason: str) -> None:
        self.desk.take_over(getattr(self.desk, who), self.phone, reason)

    def answer(self, who: str, key: int) -> None:
        self.answers += 1
        key_of = f"{self.id}-{who}-{key}"
        self.desk.answer(getattr(self.desk, who), self.phone, f"{who} {self.answers}", key_of, confirmed=True)

    def hand_back(self, who: str, how: Any) -> None:
        self.desk.hand_back(getattr(self.desk, who), self.phone, how)

    def wait(self, minutes: int) -> None:
        self.desk.wait(minutes=minutes)

    def clock(self, minutes: int) -> None:
        self.desk.shop.clock.turn_to(self.desk.shop.clock.now() + timedelta(minutes=minutes))

    def place(self) -> tuple[int, int] | None:
        """Return the open choice of a reward and its turn."""
        rows = self.desk.shop.rows(
            "SELECT id, turn_no FROM conversations WHERE customer_id = :id AND flow = 'redeem' AND state = 'choosing'"
            " AND ended_at IS NULL",
            id=self.id,
        )
        return (rows[0]["id"], rows[0]["turn_no"]) if rows else None

    def check_holder(self) -> None:
        """The customer's row and the one running lease say the same."""
        with reading(self.desk.shop.services.engine) as conn:
            running = [row for row in leases.of(conn, self.id, 100) if row["ended_at"] is None]
        held = self.desk.shop.rows("SELECT held_by FROM customers WHERE id = :id", id=self.id)[0]["held_by"]
        assert [str(row["staff_id"]) for row in running] == ([held] if held else [])

    def check_silence(self) -> None:
        """While somebody held, the bot answered STOP, HELP and START and said nothing else."""
        with reading(self.desk.shop.services.engine) as conn:
            texts = messages.history(conn, self.id, 1000)
            spans = [
                (row["began_at"], min(row["ends_at"], row["ended_at"] or _END)) for row in leases.of(conn, self.id, 100)
            ]
        decided = {row["id"]: (row["explanation"] or {}).get("decision") for row in texts if row["direction"] == "in"}
        for row in texts:
            at = row["sent_at"] if row["send_after"] is not None else row["created_at"]
            if row["direction"] == "in" or row["staff_id"] is not None or row["state"] == "suppressed" or at is None:
                continue
            if any(began < at < ended for began, ended in spans):
                assert decided.get(row["in_reply_to"]) in HEARD, row["body"]

    def check_stop(self) -> None:
        """After STOP nothing went out but answers to STOP, HELP and START, until the customer came back."""
        with reading(self.desk.shop.services.engine) as conn:
            texts = messages.history(conn, self.id, 1000)
        decided = {row["id"]: (row["explanation"] or {}).get("decision") for row in texts if row["direction"] == "in"}
        moves = sorted((row["created_at"], decided[row["id"]]) for row in texts if row["id"] in decided)
        for row in texts:
            at = row["sent_at"] if row["send_after"] is not None else row["created_at"]
            if row["direction"] == "in" or row["state"] == "suppressed" or at is None:
                continue
            consents = [what for when, what in moves if when < at and what in ("opt_out", "opt_in")]
            if consents and consents[-1] == "opt_out":
                assert decided.get(row["in_reply_to"]) in HEARD, row["body"]

    def check_keys(self) -> None:
        """Every key sent one message at most."""
        kept = self.desk.shop.one("SELECT count(*) FROM staff_answers WHERE key LIKE :key", key=f"{self.id}-%")
        sent = self.desk.shop.one(
            "SELECT count(*) FROM messages WHERE customer_id = :id AND purpose = 'staff'", id=self.id
        )
        assert kept == sent

    def end(self) -> None:
        """Let every lease run out and every deadline pass; what rested came once."""
        for _ in range(2):
            self.happen(("wait", 31))
        last = self.place()
        for minutes in (100, 100):
            self.happen(("wait", minutes))
        assert all(times <= 1 for times in self.reminded.values()), self.reminded
        if last is not None:
            assert self.reminded[last] == 1
        self.happen(("wait", 25 * 60))
        assert self.place() is None


_END = datetime(9999, 1, 1, tzinfo=UTC)


def test_the_laws_of_taking_over(database_url: str) -> None:
    """One holder; silence; nothing after STOP; one message a key; what rested comes exactly once."""
    with open_shop(database_url) as shop:
        desk, numbers = Desk(shop), count(2_015_551_000)

        @settings(max_examples=25, suppress_health_check=list(HealthCheck))
        @given(steps=st.lists(STEPS, min_size=3, max_size=14))
        def laws(steps: list[tuple[Any, ...]]) -> None:
            story = Story(desk, f"+1{next(numbers)}")
            for step in steps:
                story.happen(step)
            story.end()
            story.check_silence()
            story.check_stop()
            story.check_keys()

        laws()
