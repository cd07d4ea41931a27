"""`prove`: all checks in order."""

from __future__ import annotations

from collections.abc import Mapping, Set

from bot.engine.definition import Finding, Flow
from bot.engine.phrases import Phrases
from bot.engine.programme import Programme
from bot.engine.prover.book import Book
from bot.engine.prover.compliance import check_compliance
from bot.engine.prover.names import check_names
from bot.engine.prover.paths import check_paths
from bot.engine.prover.slots import check_phrases, check_slots
from bot.engine.prover.together import check_together
from bot.engine.prover.wording import check_phrases_wording, check_wording, sizes_of


def prove(
    flows: Mapping[str, Flow],
    programme: Programme,
    phrases: Phrases | None,
    broken: Set[str] = frozenset(),
) -> list[Finding]:
    """Return everything that does not hold of these flows, by place.

    `broken` names flows whose files have mistakes: they count as being there, so that one bad file does
    not put the others in the wrong; those of them also in `flows` (read leniently) are checked as far as
    a half-read flow can be.
    """
    book = Book(flows, programme, phrases, frozenset(broken))
    sizes = sizes_of(programme)
    for flow in flows.values():
        check_names(flow, book)
        if flow.name not in book.broken:
            check_paths(flow, book)
            check_slots(flow, book)
        check_wording(flow, book, sizes)
    check_phrases(book)
    check_phrases_wording(book, sizes)
    check_compliance(book)
    check_together(book)
    return book.findings
