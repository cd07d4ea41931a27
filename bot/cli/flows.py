"""`flows`: check, list, document and test the flow files."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape

from bot.catalog import read_folder, read_sources
from bot.cli.checking import check_paths
from bot.cli.opened import command_settings
from bot.cli.shown import as_json, say, table
from bot.engine import schema as schemas
from bot.engine.definition import Finding
from bot.engine.recurrence import in_words
from bot.transcripts import Coverage, Stage, Transcript, read_transcripts, run_transcript

_INVALID = 3
_STARTS = 4  # as many as fit into a line
_START, _END = "<!-- reference:start -->", "<!-- reference:end -->"


@click.group()
def flows() -> None:
    """Check, list, test and document the flow files in FLOWS_DIR."""


@flows.command()
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--json", "as_data", is_flag=True, help="A JSON list of findings.")
def check(paths: tuple[Path, ...], as_data: bool) -> None:
    """Check flow files and transcripts. Exit code 3 when there is a mistake; warnings alone are fine.

    A PATH is a folder, checked as a whole, or a file, checked as if it stood in FLOWS_DIR. Without one, all
    of FLOWS_DIR is checked.

    \b
    Examples:
      python -m bot flows check
      python -m bot flows check flows/redeem.yaml drafts/summer.yaml --json
    """
    findings, count = check_paths(paths or (command_settings().flows_dir,), command_settings)
    errors = sum(finding.severity == "error" for finding in findings)
    if as_data:
        as_json([_as_data(finding) for finding in findings])
    else:
        _print(findings, errors, count)
    if errors:
        raise SystemExit(_INVALID)


def _as_data(finding: Finding) -> dict[str, object]:
    return {
        "severity": finding.severity,
        "code": finding.code,
        "message": finding.message,
        "file": finding.place.file,
        "line": finding.place.line,
        "column": finding.place.column,
        "suggestion": finding.suggestion,
    }


def _print(findings: list[Finding], errors: int, count: int) -> None:
    colours = {"error": "bold red", "warning": "yellow"}
    console = Console(soft_wrap=True, highlight=False)
    for finding in findings:
        hint = finding.suggestion
        words = (
            finding.message if not hint or hint in finding.message else f"{finding.message} (did you mean {hint!r}?)"
        )
        colour = colours[finding.severity]
        console.print(f"[bold]{finding.place}[/]: [{colour}]{finding.severity}[/]: {escape(words)}")
    warnings = len(findings) - errors
    said = f"{errors} mistake{'s' if errors != 1 else ''}, {warnings} warning{'s' if warnings != 1 else ''}"
    console.print(f"{count} file{'s' if count != 1 else ''}: {said if findings else 'all good'}.")


@flows.command("list")
@click.option("--json", "as_data", is_flag=True, help="A JSON list.")
def list_(as_data: bool) -> None:
    """List the flows with what starts them."""
    found = read_sources(read_folder(command_settings().flows_dir))
    rows: list[dict[str, Any]] = []
    for name, flow in sorted(found.flows.items()):
        words = [word for t in flow.triggers for word in (t.keywords.get("en") or next(iter(t.keywords.values()), ()))]
        starts = words + [f"event {t.event}" for t in flow.triggers if t.event]
        starts += [in_words(t.schedule) for t in flow.triggers if t.schedule]
        starts += [f"compliance {t.compliance}" for t in flow.triggers if t.compliance]
        starts += ["other flows"] if any(t.called for t in flow.triggers) else []
        rows.append(
            {"flow": name, "title": flow.title, "kind": flow.kind, "states": len(flow.states), "starts": starts}
        )
    if as_data:
        as_json(rows)
        return
    shown = [(*(row[head] for head in ("flow", "title", "kind", "states")), _few(row["starts"])) for row in rows]
    table(("flow", "title", "kind", "states", "started by"), shown, right=("states",))


def _few(starts: list[str]) -> str:
    return ", ".join(starts[:_STARTS]) + (" ..." if len(starts) > _STARTS else "")


@flows.command()
@click.argument("what", type=click.Choice(["flow", "programme", "phrases"]), default="flow")
def schema(what: str) -> None:
    """Print the JSON Schema of flow files, programme.yaml or phrases.yaml, for editors.

    \b
    Example:
      python -m bot flows schema > build/flow.schema.json
    """
    makers = {
        "flow": schemas.flow_schema,
        "programme": schemas.programme_schema,
        "phrases": schemas.phrases_schema,
    }
    as_json(makers[what]())


@flows.command()
@click.option("--write", is_flag=True, help="Put it into README.md of FLOWS_DIR, between its markers.")
@click.option("--check", "only_check", is_flag=True, help="Exit code 1 when README.md is not up to date.")
def docs(write: bool, only_check: bool) -> None:
    """Print the manual's reference, made from the same source as the checks."""
    reference = schemas.catalogue_markdown()
    if not write and not only_check:
        click.echo(reference)
        return
    manual = command_settings().flows_dir / "README.md"
    text = manual.read_text(encoding="utf-8")
    head, start, rest = text.partition(_START)
    _, end, tail = rest.partition(_END)
    if not start or not end:
        raise click.ClickException(f"{manual} has no lines {_START} and {_END}.")
    fresh = f"{head}{_START}\n{reference.strip()}\n{_END}{tail}"
    if only_check and fresh != text:
        raise click.ClickException(f"{manual} is not up to date; `flows docs --write` makes it so.")
    if write and fresh != text:
        manual.write_text(fresh, encoding="utf-8")
    say(f"{manual} is up to date.")


@flows.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--coverage", "show_coverage", is_flag=True, help="Show which states and arrows were gone through.")
@click.option("-v", "--verbose", is_flag=True, help="Show every conversation as it went.")
def test(names: tuple[str, ...], show_coverage: bool, verbose: bool) -> None:
    """Play the transcripts (NAME.test.yaml) of all flows, or of those named. Exit code 1 when one fails.

    \b
    Examples:
      python -m bot flows test
      python -m bot flows test redeem join -v
    """
    folder = command_settings().flows_dir
    transcripts = _transcripts(folder, names)
    with tempfile.TemporaryDirectory() as place:
        stage = Stage(folder, Path(place))
        coverage = Coverage(stage.book.flows)
        failed = sum(not _play(stage, transcript, coverage, verbose) for transcript in transcripts)
        stage.engine.dispose()
    if show_coverage:
        click.echo(coverage.report())
    say(f"{len(transcripts) - failed} passed, {failed} failed")
    if failed:
        raise SystemExit(1)


@flows.command()
def coverage() -> None:
    """Play all transcripts and show what they went through. Exit code 1 when something is not covered."""
    folder = command_settings().flows_dir
    with tempfile.TemporaryDirectory() as place:
        stage = Stage(folder, Path(place))
        found = Coverage(stage.book.flows)
        for transcript in _transcripts(folder, ()):
            found.add(run_transcript(stage, transcript).decisions)
        stage.engine.dispose()
    click.echo(found.report())
    if found.missing():
        raise SystemExit(1)


def _transcripts(folder: Path, names: tuple[str, ...]) -> list[Transcript]:
    """Read transcripts. Raises a usage error for an unknown name, and exits with 3 when one cannot be read."""
    files = {path.name.removesuffix(".test.yaml"): path for path in sorted(folder.glob("*.test.yaml"))}
    for name in names:
        if name not in files:
            raise click.UsageError(f"There is no {name}.test.yaml in {folder}.")
    found: list[Transcript] = []
    findings: list[Finding] = []
    for name, path in files.items():
        if not names or name in names:
            transcripts, mistakes = read_transcripts(path.read_text(encoding="utf-8"), str(path))
            found += transcripts
            findings += mistakes
    if findings:
        _print(findings, len(findings), len(files))
        raise SystemExit(_INVALID)
    return found


def _play(stage: Stage, transcript: Transcript, coverage: Coverage, verbose: bool) -> bool:
    result = run_transcript(stage, transcript)
    coverage.add(result.decisions)
    mark = "[green]passed[/]" if result.passed else "[bold red]failed[/]"
    if verbose or not result.passed:
        say(f"{mark} {transcript.title}")
        click.echo("\n".join(f"  {line}" for line in result.log) if result.passed else result.report())
    return result.passed
