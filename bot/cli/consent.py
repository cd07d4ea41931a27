"""`consent`: the evidence of one number as a signed file, its check, and the check of all records."""

from __future__ import annotations

from pathlib import Path

import click

from bot.cli.opened import Desk, database, desk, number
from bot.cli.shown import as_json, say
from bot.desk import sealing
from bot.desk.actor import Actor
from bot.desk.evidence import evidence, noted
from bot.desk.evidence_compare import compare
from bot.desk.evidence_file import LARGEST, Verdict, fingerprint, public_key, verify
from bot.desk.evidence_pdf import pdf, verify_pdf
from storage import customers, seals
from storage.database import reading

_OPERATOR = Actor(None, "command line", "admin")
_File = click.Path(dir_okay=False, path_type=Path)


@click.group()
def consent() -> None:
    """Export and check the evidence of consent. docs/consent-evidence.md says what it proves."""


@consent.command()
@click.argument("phone", metavar="NUMBER")
@click.option("-o", "--output", type=_File, help="Write the signed JSON to this file instead of the terminal.")
@click.option("--pdf", "paper", type=_File, help="Write the reading copy, which has the signed JSON attached.")
def export(phone: str, output: Path | None, paper: Path | None) -> None:
    """Write everything that proves one number's consent into one signed file.

    Exit code 1 when nobody has this number. The export is noted in the audit log.

    \b
    Examples:
      python -m bot consent export +12015550123 -o evidence.json
      python -m bot consent export +12015550123 --pdf evidence.pdf
    """
    with desk() as opened:
        text = _evidence(opened, phone, "pdf" if paper and not output else "json")
    if output is not None:
        output.write_text(text, encoding="utf-8", newline="")
        click.echo(f"Wrote {output}.", err=True)
    if paper is not None:
        paper.write_bytes(pdf(text))
        click.echo(f"Wrote {paper}.", err=True)
    if output is None and paper is None:
        click.echo(text.encode(), nl=False)


def _evidence(opened: Desk, phone: str, form: str) -> str:
    with reading(opened.engine) as conn:
        row = customers.by_phone(conn, number(phone))
    if row is None:
        click.echo(f"Nobody has the number {phone}.", err=True)
        raise SystemExit(1)
    now, secret_key = opened.clock.now(), opened.settings.secret_key
    sealing.seal(opened.engine, secret_key, now)
    text = evidence(opened.engine, opened.catalog.book.programme.shop, secret_key, _OPERATOR, row["id"], now)
    noted(opened.engine, _OPERATOR, row["id"], now, form)
    return text


@consent.command("verify")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--key", metavar="PUBLIC", help="The shop's public key or its fingerprint, as `consent key` shows it.")
@click.option("--database", "beside", is_flag=True, help="Also compare with the records as they are now.")
def verify_(file: Path, key: str | None, beside: bool) -> None:
    """Check an evidence file, JSON or PDF, without a database. Exit code 1 when anything was changed.

    \b
    Examples:
      python -m bot consent verify evidence.json --key "1f0c 44a1 ..."
      python -m bot consent verify evidence.pdf --database
    """
    if file.stat().st_size > LARGEST:
        raise click.ClickException("This is no evidence file: it is too large.")
    content = file.read_bytes()
    if beside and key is None:
        with database() as (settings, _):
            key = public_key(settings.secret_key)
    verdict = (verify_pdf if content.startswith(b"%PDF-") else verify)(content, key)
    problems = list(verdict.problems)
    if beside and verdict.good:
        with database() as (_, engine), reading(engine) as conn:
            problems += compare(conn, verdict.entries)
    for problem in problems:
        click.echo(problem, err=True)
    if problems:
        raise SystemExit(1)
    _tell(verdict, known_key=key is not None, beside=beside)


def _tell(verdict: Verdict, *, known_key: bool, beside: bool) -> None:
    about, *events = verdict.entries
    say(f"[green]Unchanged.[/] {about['number']}, {len(events)} consent records, made {about['made_at']['local']}.")
    if known_key:
        say("Signed with the key you named." if not beside else "Signed by this installation.")
    else:
        say(f"Signed by the key {verdict.fingerprint}; compare it with the shop's, or name that with --key.")
    if beside:
        say("The records in the database are the same.")


@consent.command()
def key() -> None:
    """Show the public key that evidence is signed with, and its fingerprint."""
    with database() as (settings, _):
        public = public_key(settings.secret_key)
    say(public)
    say(fingerprint(public))


@consent.command()
@click.option("--head", metavar="NUMBER:DIGEST", help="A head noted earlier; the chain must still hold it.")
@click.option("--json", "as_data", is_flag=True, help="One JSON object.")
def check(head: str | None, as_data: bool) -> None:
    """Walk the chain of seals against the database and name what was changed since. Exit code 1 when anything was.

    The head that is shown belongs into a safe, or an e-mail to the lawyer: who has it can prove that nothing was
    cut off the end.
    """
    with database() as (settings, engine):
        walk = sealing.check(engine, settings.secret_key)
        if head is not None:
            place, _, digest = head.partition(":")
            with reading(engine) as conn:
                seal = seals.by_number(conn, int(place)) if place.isdigit() else None
            if seal is None or seal["digest"] != digest:
                walk.add("head gone", f"The chain does not hold the seal {head}.", None)
    if as_data:
        as_json(_as_data(walk))
    else:
        _report(walk)
    if walk.troubles:
        raise SystemExit(1)


def _as_data(walk: sealing.Walk) -> dict[str, object]:
    return {
        "sealed": walk.sealed,
        "waiting": walk.waiting,
        "erased": walk.erased,
        "head": f"{walk.head['number']}:{walk.head['digest']}" if walk.head else None,
        "troubles": walk.troubles,
        "findings": [
            {"what": one.what, "words": one.words, "record": one.record_id, "number": one.number}
            for one in walk.findings
        ],
    }


def _report(walk: sealing.Walk) -> None:
    for one in walk.findings:
        click.echo(one.words, err=True)
    if walk.troubles > len(walk.findings):
        click.echo(f"... and {walk.troubles - len(walk.findings)} more.", err=True)
    gone = f", {walk.erased} of them of erased customers" if walk.erased else ""
    say(f"{walk.sealed} records sealed{gone}; {walk.waiting} too young for a seal.")
    if walk.head:
        say(f"Head: {walk.head['number']}:{walk.head['digest']}")
    if not walk.troubles:
        say("[green]Nothing was changed.[/]")
