"""How answers look: tables for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import click
from rich.console import Console
from rich.table import Table


def say(words: str) -> None:
    """Print one line, with rich markup when it is read by a person."""
    Console(soft_wrap=True, highlight=False).print(words)


def as_json(value: Any, *, indent: int | None = 2) -> None:
    """Print a value as JSON; moments in ISO form, letters as they are."""
    click.echo(json.dumps(value, default=_plain, ensure_ascii=False, indent=indent))


def table(heads: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()) -> None:
    """Print a table; empty cells for None."""
    grid = Table(box=None, pad_edge=False, header_style="dim")
    for head in heads:
        grid.add_column(head, justify="right" if head in right else "left", overflow="fold")
    for row in rows:
        grid.add_row(*("" if cell is None else str(cell) for cell in row))
    Console(highlight=False).print(grid)


def when(moment: datetime | None, zone: Any) -> str:
    """Return a moment in the shop's own time, to the minute."""
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M") if moment is not None else ""


def picked(row: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return some columns of a row."""
    return {name: row[name] for name in names}


def _plain(value: object) -> object:
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, (set, frozenset, tuple)):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
