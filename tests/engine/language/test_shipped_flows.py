"""The flows that ship are read and proved without a mistake, and fit the JSON Schemas."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.engine.definition import Flow
from bot.engine.language import read_flow, read_phrases, read_programme
from bot.engine.prover import prove
from tests.engine.language.test_schemas import accepts

FOLDER = Path(__file__).parents[3] / "flows"
FILES = sorted(path for path in FOLDER.glob("*.yaml") if not path.name.endswith(".test.yaml"))
BESIDE = ("programme", "phrases")

pytestmark = pytest.mark.skipif(not (FOLDER / "programme.yaml").exists(), reason="no flows are shipped here")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.name))
def test_it_fits_the_schema(path: Path) -> None:
    kind = path.stem if path.stem in BESIDE else "flow"
    assert accepts(kind, path.read_text(encoding="utf-8"))


def test_it_is_read_and_proved_without_a_finding() -> None:
    """Not even a warning: no text over two segments, none in UCS-2, none without Spanish."""
    flows: dict[str, Flow] = {}
    texts = {path.stem: path.read_text(encoding="utf-8") for path in FILES}
    programme, findings = read_programme(texts["programme"], "programme.yaml")
    assert programme is not None, findings
    phrases, found = read_phrases(texts["phrases"], "phrases.yaml")
    findings += found
    for name, text in texts.items():
        if name not in BESIDE:
            flow, found = read_flow(text, f"{name}.yaml")
            findings += found
            if flow is not None:
                flows[name] = flow
    findings += prove(flows, programme, phrases)
    assert [f"{finding.place} {finding.message}" for finding in findings] == []
