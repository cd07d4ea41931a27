"""A crew of threads that send: each customer's messages one after the other, different customers' at once."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Literal, Self

from storage.rows import Row

Result = Literal["sent", "refused", "put_back", "unreachable", "unknown", "late"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one attempt to send."""

    row: Row
    result: Result
    sid: str | None = None
    code: int | None = None
    reason: str | None = None


Attempt = Callable[[Row], Outcome]


class Crew:
    """Sends rows by `attempt(row)`, at most `size` at a time. A lone row needs no thread."""

    def __init__(self, attempt: Attempt, size: int) -> None:
        self.in_flight = 0
        self._attempt = attempt
        self._size = size
        self._work: SimpleQueue[Row | None] = SimpleQueue()
        self._done: SimpleQueue[Outcome | BaseException] = SimpleQueue()
        self._behind: dict[int, deque[Row]] = {}  # customer in hand -> what waits for its turn
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_trouble: object) -> None:
        for _ in self._threads:
            self._work.put(None)
        for thread in self._threads:
            thread.join()

    def give(self, rows: Sequence[Row]) -> None:
        """Hand rows over, in the order in which each customer is to get them."""
        alone = len({row["customer_id"] for row in rows}) == 1 and not self.in_flight
        self.in_flight += len(rows)
        if alone:
            for row in rows:
                self._done.put(self._attempt(row))
            return
        for row in rows:
            waiting = self._behind.get(row["customer_id"])
            if waiting is None:
                self._behind[row["customer_id"]] = deque()
                self._work.put(row)
            else:
                waiting.append(row)
        while len(self._threads) < min(self._size, self.in_flight):
            thread = threading.Thread(target=self._run, name="sending", daemon=True)
            self._threads.append(thread)
            thread.start()

    def gather(self) -> list[Outcome]:
        """Wait for an outcome and return all there are by then. Raises what killed a thread."""
        found = [self._finished(self._done.get())]
        while True:
            try:
                found.append(self._finished(self._done.get_nowait()))
            except Empty:
                return found

    def _finished(self, outcome: Outcome | BaseException) -> Outcome:
        self.in_flight -= 1
        if isinstance(outcome, BaseException):
            raise outcome
        waiting = self._behind.get(outcome.row["customer_id"])
        if waiting and outcome.result == "late":
            self._done.put(Outcome(waiting.popleft(), "late"))  # younger texts do not overtake it
        elif waiting:
            self._work.put(waiting.popleft())
        elif waiting is not None:
            del self._behind[outcome.row["customer_id"]]
        return outcome

    def _run(self) -> None:
        while (given := self._work.get()) is not None:
            try:
                self._done.put(self._attempt(given))
            except BaseException as death:
                self._done.put(death)


class Clerk:
    """Writes outcomes down beside the crew, one batch after the other; what broke is raised at the next batch."""

    def __init__(self, write: Callable[[Sequence[Outcome]], None]) -> None:
        self._write = write
        self._pen: ThreadPoolExecutor | None = None
        self._writing: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_trouble: object) -> None:
        if self._pen is not None:
            self._pen.shutdown(wait=True)

    def write(self, outcomes: Sequence[Outcome], *, at_once: bool) -> None:
        """Write a batch; `at_once` returns when it and those before are written."""
        if self._writing is not None:
            self._writing.result()
            self._writing = None
        if at_once:
            self._write(outcomes)
            return
        self._pen = self._pen or ThreadPoolExecutor(1, "recording")
        self._writing = self._pen.submit(self._write, outcomes)
