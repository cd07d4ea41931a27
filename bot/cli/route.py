"""`route`: what the router makes of texts. Needs no database, only the flow files."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from difflib import get_close_matches
from io import TextIOWrapper
from pathlib import Path

import click
from rich.markup import escape

from bot.catalog import read_folder, read_sources
from bot.cli.opened import command_settings
from bot.cli.shown import as_json, say
from bot.clock import SystemClock
from bot.engine.conversation import Conversation, Customer
from bot.engine.decide import expectation
from bot.engine.definition import Flow
from bot.engine.machine import Compiled, compile_flow
from bot.engine.phrases import Phrases
from bot.engine.programme import Programme
from bot.engine.route import Router
from bot.engine.routing import Routing, as_line
from bot.engine.standing import Standing
from bot.errors import FlowError, FlowFilesInvalid
from bot.lexicon import load as load_lexicon

_POINTS = 1_000  # enough for every reward, so that choices have something to choose from


@dataclass(frozen=True)
class _Files:
    """The flow files as a book without a database; a flow's place in the list stands for its revision."""

    programme: Programme
    phrases: Phrases
    flows: Mapping[str, Flow]

    def current(self, name: str) -> Compiled | None:
        flow = self.flows.get(name)
        return compile_flow(flow, list(self.flows).index(name)) if flow is not None else None

    def revision(self, revision_id: int) -> Compiled:
        return compile_flow(list(self.flows.values())[revision_id], revision_id)

    def by_compliance(self, kind: str) -> Compiled:
        for name, flow in self.flows.items():
            if any(trigger.compliance == kind for trigger in flow.triggers) and (found := self.current(name)):
                return found
        raise FlowError(f"no flow has a trigger with compliance: {kind}")


@click.command()
@click.argument("texts", nargs=-1)
@click.option(
    "--jsonl", is_flag=True, help="Read one text from each line of standard input, write one JSON object for each."
)
@click.option("--state", metavar="FLOW:STATE", help="As if the customer were there.")
@click.option(
    "--consent",
    type=click.Choice(["none", "pending", "subscribed", "unsubscribed"]),
    default="subscribed",
    show_default=True,
    help="As if this were the customer's consent.",
)
@click.option("--language", default=None, help="As if this were the customer's language; the shop's first otherwise.")
@click.option(
    "--points", type=click.IntRange(0), default=_POINTS, show_default=True, help="As if the customer had these."
)
def route(
    texts: tuple[str, ...], jsonl: bool, state: str | None, consent: str, language: str | None, points: int
) -> None:
    """Say what the router makes of texts, and why.

    \b
    Examples:
      python -m bot route "how many points do i have" "stoppp texting me"
      python -m bot route --state redeem:choosing 1 latte
      python -m bot route --jsonl < texts.txt
    """
    if not texts and not jsonl:
        raise click.UsageError("Give one or more texts, or --jsonl with texts on standard input.")
    book = _read(command_settings().flows_dir)
    customer = Customer(
        id=1,
        phone="+12015550123",
        language=language or book.programme.shop.languages[0],
        consent=consent,  # type: ignore[arg-type]  # click has checked it
        points=points,
        tier=book.programme.tiers[-1].key if book.programme.tiers else None,
    )
    ask = router_of(book, customer, state, SystemClock().now())
    if jsonl:
        if isinstance(sys.stdin, TextIOWrapper):
            sys.stdin.reconfigure(encoding="utf-8", errors="replace", newline="\n")
        _answer_lines(ask, texts or (line.rstrip("\r\n") for line in sys.stdin))
    else:
        for text in texts:
            _explain(text, ask(text))


def router_of(book: _Files, customer: Customer, state: str | None, now: datetime) -> Callable[[str], Routing]:
    """Return a function from a text to its routing for a customer who is in a state."""
    if state is not None:
        customer = replace(customer, conversations=(_place(book, customer, state, now),))
    standing = Standing(
        consent=customer.consent,
        language=customer.language,
        expectation=expectation(book, customer, {}, now),
        held=False,
        has_media=False,
        opt_out_type=None,
        today=now.date(),
    )
    router = Router(load_lexicon(), book.flows)
    return lambda text: router.route(text, standing)


def _read(folder: Path) -> _Files:
    files = read_sources(read_folder(folder))
    errors = [f"{f.place}: {f.message}" for f in files.findings if f.severity == "error"]
    if errors or files.programme is None or files.phrases is None:
        raise FlowFilesInvalid("The flow files have mistakes:\n  " + "\n  ".join(errors or [f"none in {folder}"]))
    return _Files(files.programme, files.phrases, files.flows)


def _place(book: _Files, customer: Customer, state: str, now: datetime) -> Conversation:
    name, _, place = state.partition(":")
    if name not in book.flows:
        raise click.BadParameter(_unknown("flow", name, book.flows), param_hint="--state")
    if place not in book.flows[name].states:
        raise click.BadParameter(_unknown("state", place, book.flows[name].states), param_hint="--state")
    return Conversation(1, customer.id, name, list(book.flows).index(name), place, now)


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = get_close_matches(name, names, 1)
    return f"there is no {what} {name!r}" + (f"; did you mean {near[0]!r}?" if near else f": {', '.join(names)}")


def _answer_lines(ask: Callable[[str], Routing], texts: Iterable[str]) -> None:
    for text in texts:
        as_json(as_line(text, ask(text)), indent=None)


def _explain(text: str, routing: Routing) -> None:
    line = as_line(text, routing)
    where = " ".join(f"{name} [bold]{line[name]}[/]" for name in ("flow", "intent") if line[name])
    say(f"[cyan]{escape(text)}[/]  [bold]{line['decision']}[/] {where}")
    matched = f", by {escape(repr(routing.matched))}" if routing.matched else ""
    say(f"  [dim]{line['rule']}, score {line['score']:.2f}{matched}[/]")
    if routing.runner_up is not None:
        other = routing.runner_up
        say(f"  [dim]next best: {other.what} ({other.score:.2f}), by {escape(repr(other.matched))}[/]")
    if routing.problem:
        say(f"  [dim]not allowed: {escape(routing.problem)}[/]")
