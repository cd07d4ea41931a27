"""Groups of texts that say nearly the same, so that one lesson is learnt from many misunderstandings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rapidfuzz import fuzz
from rapidfuzz.process import extractOne
from sqlalchemy import Connection

from bot.engine.words import normalise
from storage import misunderstood
from storage.rows import Row

LOOKED_AT = 1_000  #: texts, the newest
COMPARED = 400  #: different wordings: comparing each with each stays far below a tenth of a second
ALIKE = 70  #: percent of token_sort_ratio from which two wordings are one group
_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Wording:
    """One wording and the newest text that had it."""

    text: str
    message_id: int
    customer_id: int | None
    count: int


@dataclass(frozen=True, slots=True)
class Cluster:
    """Wordings that belong together, the most frequent first."""

    wordings: tuple[Wording, ...]
    count: int  #: texts in all
    newest: datetime

    @property
    def shown(self) -> tuple[Wording, ...]:
        return self.wordings[:_EXAMPLES]


def read(conn: Connection) -> list[Cluster]:
    """Return groups of the newest misunderstood texts nobody has taught yet, the largest first."""
    return grouped(misunderstood.untaught(conn, LOOKED_AT))


def grouped(rows: Sequence[Row]) -> list[Cluster]:
    """Return the rows (id, customer_id, body, created_at; newest first) in groups, the largest first.

    Each wording joins the first, most frequent one it is like; so nothing chains from wording to wording
    until everything is one group.
    """
    by_words: dict[str, list[Row]] = {}
    for row in rows:
        words = normalise(row["body"])
        if words:
            by_words.setdefault(words, []).append(row)
    order = sorted(by_words, key=lambda words: (-len(by_words[words]), words))[:COMPARED]
    members: dict[str, list[str]] = {}
    for words in order:
        alike = extractOne(words, members.keys(), scorer=fuzz.token_sort_ratio, score_cutoff=ALIKE)
        members.setdefault(alike[0] if alike else words, []).append(words)
    found = [_cluster([by_words[words] for words in each]) for each in members.values()]
    return sorted(found, key=lambda cluster: (-cluster.count, cluster.wordings[0].text))


def _cluster(groups: Sequence[Sequence[Row]]) -> Cluster:
    wordings = tuple(
        Wording(rows[0]["body"], rows[0]["id"], rows[0]["customer_id"], len(rows))
        for rows in sorted(groups, key=len, reverse=True)
    )
    newest = max(row["created_at"] for rows in groups for row in rows)
    return Cluster(wordings, sum(each.count for each in wordings), newest)
