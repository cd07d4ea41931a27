"""Everything the proofs look at, gathered once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.engine.definition import Finding, Flow, Place
from bot.engine.language.reader import Reader
from bot.engine.phrases import Phrases
from bot.engine.programme import Programme
from bot.engine.prover.walk import Uses, uses

OUTSIDE_EVENTS: Mapping[str, frozenset[str]] = {
    "purchase_recorded": frozenset({"amount_minor"}),
    "tier_reached": frozenset({"tier"}),
    "tier_at_risk": frozenset({"tier", "missing", "until"}),
    "tier_lost": frozenset({"tier", "before"}),
    "handoff_waiting": frozenset(),
    **dict.fromkeys(("order_shipped", "order_ready"), frozenset({"order", "link", "carrier", "place", "when"})),
    "cart_abandoned": frozenset({"link", "items", "total"}),
    "back_in_stock": frozenset({"item", "link"}),
}
"""Facts that arise without a flow, with what is known of each."""


@dataclass(slots=True)
class Book:
    """The flows, what surrounds them, and one notebook per file."""

    flows: Mapping[str, Flow]
    programme: Programme
    phrases: Phrases | None
    broken: frozenset[str] = frozenset()  #: flows whose files have mistakes: not all of them is here
    given: Uses = field(default_factory=Uses)  #: names given by any flow
    readers: dict[str, Reader] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for flow in self.flows.values():
            found = uses(flow)
            self.given.events |= found.events
            self.given.tags |= found.tags
            self.given.marks |= found.marks
            self.given.attributes |= found.attributes

    def reader(self, place: Place) -> Reader:
        """Return the notebook of a file."""
        reader = self.readers.get(place.file)
        if reader is None:
            reader = self.readers[place.file] = Reader(place.file)
        return reader

    @property
    def flow_names(self) -> set[str]:
        return {*self.flows, *self.broken}

    @property
    def findings(self) -> list[Finding]:
        found = [finding for reader in self.readers.values() for finding in reader.findings]
        return sorted(dict.fromkeys(found), key=lambda finding: (finding.place, finding.code, finding.message))
