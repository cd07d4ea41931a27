"""Which states and arrows of the flows the transcripts went through."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from bot.engine.decision import Decision
from bot.engine.definition import Flow
from bot.engine.machine import short_place

Point = tuple[str, str, str]  #: flow, what it is (`state` or `arrow`), how it is told


@dataclass(slots=True)
class Coverage:
    """Counts what was visited; ask it when all transcripts were played."""

    flows: Mapping[str, Flow]
    seen: set[Point] = field(default_factory=set)

    def add(self, decisions: Iterable[Decision]) -> None:
        """Note every arrow taken and every state reached."""
        for decision in decisions:
            for step in decision.steps:
                self.seen.add((step.flow, "arrow", f"{step.place} {step.outcome}"))
                for state in (step.source, step.target):
                    if state is not None:
                        self.seen.add((step.flow, "state", state))

    def missing(self) -> list[Point]:
        """Return what no transcript went through, in the files' order."""
        return [point for flow in self.flows.values() for point in points(flow) if point not in self.seen]

    def report(self) -> str:
        """Return one line for each flow, and what is missing under it."""
        lines = [f"{'flow':<18}{'states':>9}{'arrows':>9}"]
        missing = self.missing()
        for name, flow in sorted(self.flows.items()):
            counts = []
            for kind in ("state", "arrow"):
                every = [point for point in points(flow) if point[1] == kind]
                counts.append(f"{sum(point in self.seen for point in every)}/{len(every)}")
            lines.append(f"{name:<18}{counts[0]:>9}{counts[1]:>9}")
            lines += [f"    not covered: {kind} {what}" for owner, kind, what in missing if owner == name]
        return "\n".join(lines)


def points(flow: Flow) -> Iterator[Point]:
    """Yield every state and every arrow of a flow; words said again and reminders count as arrows too."""
    for trigger in flow.triggers:
        yield flow.name, "arrow", f"{short_place(trigger.place)} start"
    for state in flow.states.values():
        yield flow.name, "state", state.name
        for outcome, arrows in state.on.items():
            for arrow in arrows:
                yield flow.name, "arrow", f"{short_place(arrow.place)} {outcome}"
        for keyword, arrows in state.listen.items():
            for arrow in arrows:
                yield flow.name, "arrow", f"{short_place(arrow.place)} {keyword}"
        for arrow in state.go:
            yield flow.name, "arrow", f"{short_place(arrow.place)} go"
        for after in state.after:
            if after.transition is not None:
                yield flow.name, "arrow", f"{short_place(after.transition.place)} silence"
            else:
                yield flow.name, "arrow", f"{short_place(after.place)} silence"
        for text in state.misunderstood:
            yield flow.name, "arrow", f"{short_place(text.place)} misunderstood"
        if state.give_up is not None:
            yield flow.name, "arrow", f"{short_place(state.give_up.place)} misunderstood"
