"""Which files `flows check` reads, and with which others they are proved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from bot.catalog import Source, read_folder, read_sources
from bot.engine.definition import Finding, Place
from bot.settings import Settings
from bot.transcripts import read_transcripts

_TRANSCRIPT = ".test.yaml"


def check_paths(paths: Sequence[Path], settings: Callable[[], Settings]) -> tuple[list[Finding], int]:
    """Return the findings of folders and files, each with the path it was given by, and how many files were read.

    A single file is proved together with FLOWS_DIR, in which it takes the place of the file with its name;
    only its own findings are returned. `settings` is asked only then.
    """
    findings: list[Finding] = []
    count = 0
    singles = [path for path in paths if path.is_file()]
    for folder in (path for path in paths if path.is_dir()):
        sources = read_folder(folder)
        transcripts = sorted(folder.glob(f"*{_TRANSCRIPT}"))
        findings += _named(
            list(read_sources(sources).findings), {f"{s.name}.yaml": folder / f"{s.name}.yaml" for s in sources}
        )
        findings += [finding for path in transcripts for finding in _check_transcript(path)]
        count += len(sources) + len(transcripts)
    files = [path for path in singles if not path.name.endswith(_TRANSCRIPT)]
    if files:
        findings += _check_files(files, settings().flows_dir)
    findings += [finding for path in singles if path not in files for finding in _check_transcript(path)]
    return sorted(findings, key=lambda finding: finding.place), count + len(singles)


def _check_files(files: Sequence[Path], folder: Path) -> list[Finding]:
    sources = {source.name: source for source in read_folder(folder)}
    names: dict[str, Path] = {}
    for path in files:
        sources[path.stem] = Source(path.stem, path.read_text(encoding="utf-8", errors="replace"))
        names[f"{path.stem}.yaml"] = path
    found = read_sources(sources.values()).findings
    return _named([finding for finding in found if finding.place.file in names], names)


def _check_transcript(path: Path) -> list[Finding]:
    _, findings = read_transcripts(path.read_text(encoding="utf-8", errors="replace"), str(path))
    return findings


def _named(findings: Sequence[Finding], names: dict[str, Path]) -> list[Finding]:
    """Return findings that name their file as the reader gave it, so that an editor can jump there."""
    return [
        replace(f, place=Place(_short(names.get(f.place.file, Path(f.place.file))), f.place.line, f.place.column))
        for f in findings
    ]


def _short(path: Path) -> str:
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
