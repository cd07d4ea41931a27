"""`lessons`: what staff taught the bot; its way into the router's tests."""

from __future__ import annotations

import json
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from bot.cli.opened import desk
from bot.cli.shown import as_json, say, table, when
from bot.desk import lessons as taught
from storage import lessons as stored
from storage.database import reading


@click.group()
def lessons() -> None:
    """Texts the bot misunderstood, with what a person says they meant."""


@lessons.command("list")
@click.option("--json", "as_data", is_flag=True, help="A JSON list.")
def list_all(as_data: bool) -> None:
    """Show every lesson, the oldest first."""
    with desk() as opened, reading(opened.engine) as conn:
        zone = opened.catalog.book.programme.shop.zone
        rows = list(stored.everything(conn))
    if as_data:
        as_json([{**taught.example(row), "understood": row["understood"], "at": row["at"]} for row in rows])
        return
    heads = ("text", "was", "should be", "intent", "state", "taught")
    said = [(row["understood"] or {}).get("decision") for row in rows]
    cells = [
        (row["text"][:60], was, row["decision"], row["intent"], row["state"], when(row["at"], ZoneInfo(zone)))
        for row, was in zip(rows, said, strict=True)
    ]
    table(heads, cells)


@lessons.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--yes", is_flag=True, help="The texts hold nothing personal; write them.")
def export(file: Path, yes: bool) -> None:
    """Write the lessons as tests of the router: one JSON line each, as in tests/engine/routing.

    The texts are customers' words and may hold a name or a number. They are shown first; without --yes nothing
    is written. Lessons that stand in the file already are not written again.

    \b
    Example:
      python -m bot lessons export tests/engine/routing/taught.jsonl --yes
    """
    with desk() as opened, reading(opened.engine) as conn:
        lines = [_line(taught.example(row)) for row in stored.everything(conn)]
    known = set(file.read_text(encoding="utf-8").splitlines()) if file.exists() else set()
    new = [line for line in dict.fromkeys(lines) if line not in known]
    for line in new:
        click.echo(json.loads(line)["text"])
    if not new:
        say("There is nothing new to write.")
        return
    if not yes:
        raise click.ClickException(
            "These are customers' own words. Read them, take back lessons that name somebody, then repeat with --yes."
        )
    with file.open("a", encoding="utf-8") as output:
        output.writelines(line + "\n" for line in new)
    say(f"{len(new)} written to {file}.")


@lessons.command()
def check() -> None:
    """Play every lesson through the router in force. Exit code 1 when one is not right."""
    with desk() as opened, reading(opened.engine) as conn:
        book, now = opened.catalog.book, opened.clock.now()
        checks = [taught.check(book, row, now) for row in stored.everything(conn)]
    wrong = [each for each in checks if not each.right]
    cells = [
        (
            "right" if each.right else "wrong",
            each.lesson["text"][:60],
            each.lesson["decision"],
            each.lesson["intent"],
            each.routing.decision,
            each.routing.intent,
            each.routing.rule,
        )
        for each in checks
    ]
    table(("", "text", "should be", "intent", "is", "intent", "rule"), cells)
    say(f"{len(checks) - len(wrong)} of {len(checks)} right.")
    if wrong:
        raise click.exceptions.Exit(1)


def _line(example: dict[str, object]) -> str:
    return json.dumps(example, ensure_ascii=False)
