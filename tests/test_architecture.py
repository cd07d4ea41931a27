"""The one-way rule of the house, held by reading every import of `bot`, `storage` and `wsgi.py`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

#: From the bottom up. A file imports from its own layer and those below. The longest name that fits decides.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("bot.errors", "bot.engine", "storage"),
    (
        "bot",
        "bot.carrier",
        "bot.clock",
        "bot.daycode",
        "bot.environment",
        "bot.lexicon",
        "bot.pace",
        "bot.phone",
        "bot.places",
        "bot.rules",
        "bot.settings",
        "bot.signature",
    ),
    ("bot.telemetry", "bot.broker"),
    (
        "bot.gate",
        "bot.audience",
        "bot.apply",
        "bot.catalog",
        "bot.loading",
        "bot.occasions",
        "bot.profile",
        "bot.reachable",
        "bot.reviews",
        "bot.turn",
        "bot.delivery",
        "bot.schedule",
        "bot.suppression",
    ),
    ("bot.desk",),
    ("bot.services", "bot.security", "bot.web", "bot.console", "bot.workers", "bot.transcripts", "bot.demo"),
    ("bot.app",),
    ("bot.server", "wsgi"),
    ("bot.cli", "bot.__main__"),
)

#: Libraries that only some files may know: import name -> where it may stand.
KEPT_IN: dict[str, tuple[str, ...]] = {
    "twilio": ("bot.carrier.twilio",),
    "flask": ("bot.app", "bot.web", "bot.console", "bot.cli", "bot.services", "bot.security"),
    "werkzeug": ("bot.app", "bot.web", "bot.console"),
    "apscheduler": ("bot.workers",),
    "argon2": ("bot.desk.accounts",),
    "pyotp": ("bot.desk.accounts",),
    "authlib": ("bot.console.openid",),
    "celery": ("bot.broker",),
    "segno": ("bot.console.account",),
    "fpdf": ("bot.desk.evidence_pdf",),
    "rapidfuzz": (
        "bot.desk.clusters",
        "bot.engine.route",
        "bot.engine.understand",
        "bot.engine.keywords",
        "bot.engine.questions",
    ),
    "transitions": ("bot.engine.machine",),
    "ruamel": ("bot.engine.language", "bot.lexicon", "bot.rules", "bot.transcripts"),
    "click": ("bot.cli",),
    "rich": ("bot.cli",),
    "granian": ("bot.cli",),
    "a2wsgi": ("bot.server",),
    "alembic": ("storage.migrate", "storage.migrations"),
}

#: What the engine may use beside itself: nothing that reads the time, the world or chance.
IMPURE = frozenset(
    [
        "asyncio",
        "io",
        "logging",
        "multiprocessing",
        "os",
        "pathlib",
        "random",
        "requests",
        "secrets",
        "shutil",
        "signal",
        "socket",
        "sqlite3",
        "subprocess",
        "tempfile",
        "threading",
        "time",
        "urllib",
        "uuid",
        "flask",
        "sqlalchemy",
        "structlog",
        "prometheus_client",
        "dotenv",
        "twilio",
        "phonenumbers",
    ]
)
PURE_PARTS = frozenset({"pathlib.PurePath", "pathlib.PurePosixPath"})  # a path as a word, never as a file
QUIETED = ("bot.engine.machine", "logging")  # only to keep the transitions library from talking
READS_THE_CLOCK = frozenset({"now", "today", "utcnow", "perf_counter", "monotonic"})
DOES_IO = frozenset({"open", "print", "input"})


@dataclass(frozen=True)
class Import:
    """One import: who imports what, and where that stands."""

    module: str
    imported: str
    place: str


def modules() -> Iterator[tuple[str, Path]]:
    """Yield every module with its path."""
    for path in sorted([*ROOT.glob("bot/**/*.py"), *ROOT.glob("storage/**/*.py"), ROOT / "wsgi.py"]):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(part for part in parts if part != "__init__"), path


def imports(module: str, path: Path) -> Iterator[Import]:
    """Yield everything a file imports, also inside functions and for types only."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        place = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Import):
            yield from (Import(module, name.name, place) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{place}: imports are absolute"
            for name in node.names:
                whole = f"{node.module}.{name.name}"
                ours = whole.partition(".")[0] in ("bot", "storage") and whole not in NAMES
                yield Import(module, str(node.module) if ours else whole, place)


FILES = list(modules())
NAMES = frozenset(name for name, _ in FILES)
IMPORTS = [each for name, path in FILES for each in imports(name, path)]


def within(module: str, package: str) -> bool:
    """Say whether a module is a package or lies in it."""
    return module == package or module.startswith(package + ".")


def layer_of(module: str) -> int:
    """Return the layer of a module; a file nobody has put into a layer is a mistake."""
    fits = [(len(name), height) for height, names in enumerate(LAYERS) for name in names if within(module, name)]
    assert fits, f"{module} is in no layer"
    length, height = max(fits)
    assert length > len("bot") or module == "bot", f"{module} is in no layer; put it into LAYERS"
    return height


def test_it_finds_the_files() -> None:
    """The walk sees the packages there are."""
    assert {"bot.turn", "bot.engine.decide", "storage.customers", "wsgi"} <= NAMES
    assert len(IMPORTS) > 500


@pytest.mark.parametrize("module", sorted(NAMES))
def test_it_imports_downwards_only(module: str) -> None:
    """Nothing imports from a layer above its own."""
    height = layer_of(module)
    ours = [
        each for each in IMPORTS if each.module == module and each.imported.split(".")[0] in ("bot", "storage", "wsgi")
    ]
    assert [f"{each.place} imports {each.imported}" for each in ours if layer_of(each.imported) > height] == []


def test_the_engine_knows_nothing_of_the_world() -> None:
    """bot.engine imports itself and the errors, and nothing that reads time, files, the network or chance."""
    engine = [e for e in IMPORTS if within(e.module, "bot.engine") and (e.module, e.imported) != QUIETED]
    strange = [
        each
        for each in engine
        if (each.imported.split(".")[0] in IMPURE | {"storage"} and each.imported not in PURE_PARTS)
        or (within(each.imported, "bot") and not within(each.imported, "bot.engine") and each.imported != "bot.errors")
    ]
    assert [f"{each.place} imports {each.imported}" for each in strange] == []


def test_the_engine_never_reads_the_clock_or_does_io() -> None:
    """`now` is an argument in bot.engine, and nothing there opens, prints or asks."""
    found = []
    for name, path in FILES:
        if not within(name, "bot.engine"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = node.func
            clock = isinstance(called, ast.Attribute) and called.attr in READS_THE_CLOCK and not node.args
            clock = clock and isinstance(called.value, ast.Name) and called.value.id in ("datetime", "date", "time")  # type: ignore[attr-defined]
            if clock or (isinstance(called, ast.Name) and called.id in DOES_IO):
                found.append(f"{path.relative_to(ROOT)}:{node.lineno} {ast.unparse(called)}")
    assert found == []


def test_storage_never_imports_bot() -> None:
    """storage stands alone."""
    assert [each.place for each in IMPORTS if within(each.module, "storage") and within(each.imported, "bot")] == []


@pytest.mark.parametrize("library", sorted(KEPT_IN))
def test_a_library_stays_in_its_files(library: str) -> None:
    """Each library is known to the few files that need it."""
    strangers = [
        each.place
        for each in IMPORTS
        if each.imported.split(".")[0] == library and not any(within(each.module, at) for at in KEPT_IN[library])
    ]
    assert strangers == []


def test_the_server_starts_without_what_only_paper_needs() -> None:
    """The library that makes PDFs is read with the first one: at the start it would cost a tenth of it."""
    for module, path in modules():
        at_once = [each.module for each in ast.parse(path.read_text()).body if isinstance(each, ast.ImportFrom)]
        assert module == "bot.cli.consent" or "bot.desk.evidence_pdf" not in at_once, module


def test_only_the_clock_reads_the_time() -> None:
    """`now` is an argument: datetime.now stands in bot/clock.py, and in the fake carrier, a server of its own."""
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for name, path in FILES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if ("datetime.now(" in line or "date.today(" in line) and name not in ("bot.clock", "bot.carrier.fake")
    ]
    assert found == []
