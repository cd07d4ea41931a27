"""`flows` and `route`: they need the files alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import jsonschema
import pytest
from ruamel.yaml import YAML

from bot.settings import ROOT
from tests.cli.conftest import Run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped flows."""
    return Path(shutil.copytree(ROOT / "flows", tmp_path / "flows"))


def _break(folder: Path, name: str = "redeem.yaml") -> Path:
    path = folder / name
    path.write_text(path.read_text(encoding="utf-8").replace("chosen: confirming", "chosen: confrim"), encoding="utf-8")
    return path


def test_the_shipped_flows_are_good(bare: Run) -> None:
    """No mistake, and no database needed to say so."""
    done = bare("flows", "check", "--json")
    assert done.exit_code == 0
    assert [finding for finding in json.loads(done.stdout) if finding["severity"] == "error"] == []
    assert "files: " in bare("flows", "check").stdout


def test_check_names_a_mistake_by_its_place(bare: Run, folder: Path) -> None:
    """File, line and column, what is wrong and the nearest right word; exit code 3."""
    path = _break(folder)
    done = bare("flows", "check", str(folder), "--json")
    assert done.exit_code == 3
    first = next(finding for finding in json.loads(done.stdout) if finding["severity"] == "error")
    assert set(first) == {"severity", "code", "message", "file", "line", "column", "suggestion"}
    assert (first["file"], first["suggestion"], first["severity"]) == (str(path), "confirming", "error")
    line = path.read_text(encoding="utf-8").splitlines()[first["line"] - 1]
    assert line[first["column"] - 1 :].startswith("confrim")
    shown = bare("flows", "check", str(folder)).stdout
    where = f"{path}:{first['line']}:{first['column']}"
    assert f"{where}: error: unknown state 'confrim'; did you mean 'confirming'?" in shown


def test_check_of_one_file_tells_of_that_file_only(bare: Run, folder: Path) -> None:
    """A draft is proved with the flows in force, and only its own mistakes are told."""
    path = _break(folder)
    done = bare("flows", "check", str(path), "--json")
    assert {finding["file"] for finding in json.loads(done.stdout)} == {str(path)}
    assert bare("flows", "check", str(folder / "balance.yaml")).exit_code == 0


def test_check_reads_transcripts(bare: Run, folder: Path) -> None:
    """A transcript with a mistake is found like a flow with one."""
    path = folder / "balance.test.yaml"
    path.write_text("- transcript: x\n  steps:\n    - custmer: HI\n", encoding="utf-8")
    done = bare("flows", "check", str(path))
    assert done.exit_code == 3
    assert f"{path}:3:" in done.stdout


def test_the_schema_fits_the_shipped_flows(bare: Run) -> None:
    """What `flows schema` prints is a JSON Schema that every shipped file satisfies."""
    for what, names in (("flow", None), ("programme", ["programme"]), ("phrases", ["phrases"])):
        schema = json.loads(bare("flows", "schema", what).stdout)
        jsonschema.Draft202012Validator.check_schema(schema)
        for path in sorted((ROOT / "flows").glob("*.yaml")):
            mine = path.stem in names if names else path.stem not in ("programme", "phrases")
            if mine and not path.name.endswith(".test.yaml"):
                data = json.loads(json.dumps(YAML(typ="safe").load(path.read_text(encoding="utf-8")), default=str))
                assert [e.message for e in jsonschema.Draft202012Validator(schema).iter_errors(data)] == []


def test_list_says_what_starts_each_flow(bare: Run) -> None:
    """Keywords, events and schedules are listed."""
    rows = {row["flow"]: row for row in json.loads(bare("flows", "list", "--json").stdout)}
    assert "REDEEM" in rows["redeem"]["starts"]
    assert "event purchase_recorded" in rows["survey"]["starts"]
    assert any("11:00" in start for start in rows["winback"]["starts"])


def test_the_manual_is_up_to_date(bare: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference in flows/README.md is what `flows docs` makes; --write puts it right."""
    assert bare("flows", "docs", "--check").exit_code == 0
    monkeypatch.setenv("FLOWS_DIR", str(folder))
    manual = folder / "README.md"
    right = manual.read_text(encoding="utf-8")
    manual.write_text(right.replace("<!-- reference:start -->", "<!-- reference:start -->\nstale"), encoding="utf-8")
    assert bare("flows", "docs", "--check").exit_code == 1
    assert bare("flows", "docs", "--write").exit_code == 0
    assert manual.read_text(encoding="utf-8") == right


def test_flows_test_plays_what_is_named(bare: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transcript that does not fit fails with its line; an unknown name is wrong use."""
    assert "0 failed" in bare("flows", "test", "balance").stdout
    assert bare("flows", "test", "blance").exit_code == 2
    monkeypatch.setenv("FLOWS_DIR", str(folder))
    (folder / "balance.test.yaml").write_text(
        "- transcript: x\n  steps:\n    - customer: BALANCE\n    - bot: Hello\n", encoding="utf-8"
    )
    done = bare("flows", "test", "balance")
    assert done.exit_code == 1
    assert "balance.test.yaml:4" in done.stdout
    assert "0 passed, 1 failed" in done.stdout


def test_route_writes_one_line_for_each_line(bare: Run) -> None:
    """Every line of input, blank and odd ones too, gets its object, in order."""
    texts = ["STOP", "how many points do i have", "", "  JOIN  ", "\U0001f600", "please take me off this list", "[x]"]
    done = bare("route", "--jsonl", input="\n".join(texts) + "\n")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["text"] for line in lines] == texts
    keys = {"text", "decision", "flow", "intent", "rule", "score", "runner_up"}
    assert all(set(line) == keys for line in lines)
    assert [line["decision"] for line in lines][:4] == ["opt_out", "flow", "fallback", "opt_in"]
    assert lines[1]["intent"] == "balance"
    assert lines[5]["decision"] == "opt_out"


@pytest.mark.parametrize(
    ("state", "text", "intent"),
    [
        ("redeem:choosing", "1", "choice"),
        ("redeem:confirming", "yes please", "yes"),
        ("redeem:confirming", "nope", "no"),
        ("join:confirming", "YES", "yes"),
    ],
)
def test_route_answers_as_if_the_customer_were_there(bare: Run, state: str, text: str, intent: str) -> None:
    """--state gives texts the meaning they have in an open conversation."""
    line = json.loads(bare("route", "--jsonl", "--state", state, text).stdout)
    assert (line["decision"], line["intent"]) == ("reply", intent)


def test_route_names_an_unknown_place(bare: Run) -> None:
    """Exit code 2 with the nearest right word, for flows and for states."""
    assert "did you mean 'redeem'" in bare("route", "--state", "redem:choosing", "1").stderr
    assert "did you mean 'choosing'" in bare("route", "--state", "redeem:chosing", "1").stderr
    assert bare("route", "--state", "redeem:chosing", "1").exit_code == 2
    assert bare("route").exit_code == 2


def test_route_refuses_broken_flows(bare: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 3 and the place of the mistake."""
    _break(folder)
    monkeypatch.setenv("FLOWS_DIR", str(folder))
    done = bare("route", "hi")
    assert done.exit_code == 3
    assert "redeem.yaml" in done.stderr


def test_route_explains_itself(bare: Run) -> None:
    """For people: the decision, the rule and what matched."""
    shown = bare("route", "stoppp texting me").stdout
    assert "opt_out" in shown
    assert "opt_out.phrase" in shown
