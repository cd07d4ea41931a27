"""`customers`: show, list and import."""

from __future__ import annotations

import json
from pathlib import Path

from sqlalchemy import Engine

from storage import consent, customers
from storage.database import reading
from tests.cli.conftest import ALICE, Run, facts

HEADER = "phone,name,language,points,birthday,email,consent,consent_wording,consent_at\n"


def test_show_prints_the_stable_keys(run: Run, alice: int) -> None:
    """The keys other programs rely on are there, with their kinds of values."""
    found = facts(run)
    assert {"phone", "consent", "balance", "tier", "conversation", "vouchers", "messages", "ledger"} <= set(found)
    assert found["phone"] == ALICE
    assert found["consent"] == "subscribed"
    assert (found["balance"], found["vouchers"], found["messages"], found["ledger"]) == (0, [], 0, [])
    assert found["conversation"] is None


def test_show_understands_a_number_as_people_write_it(run: Run, alice: int) -> None:
    """(201) 555-0111 is the same customer."""
    assert "+12015550111" in run("customers", "show", "(201) 555-0111").stdout


def test_show_exits_1_for_a_stranger_and_2_for_no_number(run: Run) -> None:
    """Nobody there is an answer; no number is a mistake of whoever asks."""
    assert run("customers", "show", "+12015550199").exit_code == 1
    assert run("customers", "show", "hello").exit_code == 2


def test_list_can_be_narrowed(run: Run, alice: int) -> None:
    """--consent picks; --json gives one object for each line."""
    lines = run("customers", "list", "--consent", "subscribed", "--json").stdout.splitlines()
    assert [json.loads(line)["phone"] for line in lines] == [ALICE]
    assert run("customers", "list", "--consent", "pending", "--json").stdout == ""


def _file(tmp_path: Path, text: str) -> str:
    path = tmp_path / "customers.csv"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_import_brings_customers_with_points_and_proven_consent(run: Run, tmp_path: Path, engine: Engine) -> None:
    """Points stand in the ledger; consent keeps its words and date and says it was imported."""
    line = '2015550141,Ana,es,120,1990-03-14,ana@example.com,subscribed,"Yes, text me offers",2025-02-01\n'
    done = run("customers", "import", _file(tmp_path, HEADER + line))
    assert done.exit_code == 0, done.output
    found = facts(run, "+12015550141")
    assert (found["balance"], found["consent"], found["name"]) == (120, "subscribed", "Ana")
    assert [(entry["kind"], entry["points"], entry["key"]) for entry in found["ledger"]] == [
        ("adjust", 120, "import:+12015550141")
    ]
    with reading(engine) as conn:
        row = customers.by_phone(conn, "+12015550141")
        assert row is not None
        [proof] = consent.history(conn, row["id"])
    assert (proof["how"], proof["text"], proof["at"].date().isoformat()) == (
        "import",
        "Yes, text me offers",
        "2025-02-01",
    )
    assert row["birthday"].isoformat() == "2000-03-14"


def test_import_takes_no_consent_without_wording_and_date(run: Run, tmp_path: Path) -> None:
    """The customer comes in as `none`, and it is remarked; an opt-out is always kept."""
    text = HEADER + "2015550142,Bo,,,,,subscribed,,\n2015550143,Cy,,,,,unsubscribed,,\n"
    done = run("customers", "import", _file(tmp_path, text))
    assert done.exit_code == 0
    assert "line 2: imported without consent" in done.stderr
    assert facts(run, "+12015550142")["consent"] == "none"
    assert facts(run, "+12015550143")["consent"] == "unsubscribed"


def test_import_again_changes_nothing(run: Run, tmp_path: Path) -> None:
    """A known number stays as it is, points included."""
    path = _file(tmp_path, HEADER + "2015550144,Di,,50,,,,,\n")
    assert "1 imported, 0 known" in run("customers", "import", path).stdout
    assert "0 imported, 1 known" in run("customers", "import", path).stdout
    assert facts(run, "+12015550144")["balance"] == 50


def test_import_never_brings_back_who_left(run: Run, tmp_path: Path) -> None:
    """An opted-out customer stays so, whatever the file says."""
    run("customers", "import", _file(tmp_path, HEADER + "2015550145,Ed,,,,,unsubscribed,,\n"))
    run("customers", "import", _file(tmp_path, HEADER + "2015550145,Ed,,,,,subscribed,words,2025-02-01\n"))
    assert facts(run, "+12015550145")["consent"] == "unsubscribed"


def test_import_names_each_refused_line(run: Run, tmp_path: Path) -> None:
    """The rest is imported; the exit code is 1 and every remark names its line."""
    text = HEADER + (
        "abc,,,,,,,,\n"
        "2015550146,,xx,,,,,,\n"
        "2015550147,,,-5,,,,,\n"
        "2015550148,,,,31-31,,,,\n"
        "2015550149,,,,,no-address,,,\n"
        "2015550150,,,,,,maybe,,\n"
        "2015550151,,,,,,subscribed,words,someday\n"
        "2015550152,Good,,5,,,,,\n"
        "2015550152,Twice,,5,,,,,\n"
    )
    remarks = tmp_path / "remarks.csv"
    done = run("customers", "import", _file(tmp_path, text), "--report", str(remarks))
    assert done.exit_code == 1
    assert "1 imported, 0 known already, 8 refused." in done.stdout
    lines = remarks.read_text().splitlines()[1:]
    assert [int(line.split(",")[0]) for line in lines] == [2, 3, 4, 5, 6, 7, 8, 10]


def test_import_refuses_an_unknown_header(run: Run, tmp_path: Path) -> None:
    """A misspelt column is named with the nearest right one; nothing is imported."""
    done = run("customers", "import", _file(tmp_path, "phone,nmae\n2015550153,Flo\n"))
    assert done.exit_code == 2
    assert "Did you mean name?" in done.stderr


def test_import_check_writes_nothing(run: Run, tmp_path: Path) -> None:
    """--check says what would happen."""
    done = run("customers", "import", "--check", _file(tmp_path, HEADER + "2015550154,Gus,,,,,,,\n"))
    assert "1 would be imported" in done.stdout
    assert run("customers", "show", "+12015550154").exit_code == 1


def test_import_takes_more_than_one_batch(run: Run, tmp_path: Path, engine: Engine) -> None:
    """Two thousand lines come in completely, each balance being its ledger's sum."""
    lines = "".join(f"+1{area}555{line:04d},,,{line},,,,,\n" for area in (312, 415) for line in range(1000, 2000))
    assert "2000 imported" in run("customers", "import", _file(tmp_path, HEADER + lines)).stdout
    with reading(engine) as conn:
        assert customers.count(conn) == 2000
    assert facts(run, "+13125551999")["balance"] == 1999
