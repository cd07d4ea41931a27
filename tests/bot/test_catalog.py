"""A bad flow file never takes down a running bot, and conversations finish in the revision they began in."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.errors import FlowFilesInvalid
from bot.settings import ROOT
from tests.shop import ALICE, BOB, Shop, open_shop


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped flows that may be spoilt."""
    shutil.copytree(ROOT / "flows", tmp_path / "flows")
    return tmp_path / "flows"


@pytest.fixture
def shop(database_url: str, folder: Path) -> Iterator[Shop]:
    with open_shop(database_url, flows_dir=folder) as opened:
        yield opened


def edit(folder: Path, name: str, old: str, new: str) -> None:
    file = folder / f"{name}.yaml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_a_good_edit_serves_at_once(shop: Shop, folder: Path) -> None:
    """No restart: the next look at the folder puts it in force."""
    edit(folder, "help", "text BALANCE", "new revision! Text BALANCE")
    catalog = shop.services.catalog
    before = catalog.book.flows["help"].digest
    assert catalog.refresh(shop.clock.now())
    assert catalog.book.flows["help"].digest != before
    assert "new revision" in " ".join(shop.says(ALICE, "HELP"))


def test_a_bad_edit_is_found_and_the_last_good_revision_serves(shop: Shop, folder: Path) -> None:
    """The finding names file, line and the right word; customers notice nothing."""
    catalog = shop.services.catalog
    edit(folder, "redeem", "to: undone", "to: undnoe")
    catalog.refresh(shop.clock.now())
    finding = next(f for f in catalog.findings if f.severity == "error")
    assert finding.place.file == "redeem.yaml"
    assert "undnoe" in finding.message
    assert finding.suggestion == "undone"
    shop.joined(ALICE)
    assert "1" in shop.says(ALICE, "REDEEM")[0]


@pytest.mark.parametrize("name", ["programme", "phrases", "stop", "join"])
def test_a_file_that_is_no_yaml_any_more_changes_nothing(shop: Shop, folder: Path, name: str) -> None:
    """Whichever file it is."""
    (folder / f"{name}.yaml").write_text("flow: [oh no\n\t}")
    shop.services.catalog.refresh(shop.clock.now())
    assert any(f.place.file == f"{name}.yaml" for f in shop.services.catalog.findings)
    shop.joined(ALICE)
    assert len(shop.says(ALICE, "STOP")) == 1


def test_a_good_edit_beside_a_bad_one_still_goes_into_force(shop: Shop, folder: Path) -> None:
    """One marketer's slip does not hold back another's work."""
    (folder / "survey.yaml").write_text("flow: survey\ntitel: oops\n")
    edit(folder, "help", "text BALANCE", "new revision! Text BALANCE")
    shop.services.catalog.refresh(shop.clock.now())
    assert "new revision" in " ".join(shop.says(ALICE, "HELP"))
    assert "survey" in shop.services.catalog.book.flows


def test_after_a_restart_the_last_good_revision_still_serves(database_url: str, folder: Path) -> None:
    """Good revisions live in the database, not in the process."""
    with open_shop(database_url, flows_dir=folder) as shop:
        shop.joined(ALICE)
    (folder / "balance.yaml").write_text("flow: balance\n")
    with open_shop(database_url, flows_dir=folder) as shop:
        assert "60" in shop.says(ALICE, "BALANCE")[0]
        assert any(f.place.file == "balance.yaml" for f in shop.services.catalog.findings)


def test_a_first_start_with_a_bad_file_refuses_and_says_why(database_url: str, folder: Path) -> None:
    """With nothing good to fall back on there is nothing to serve."""
    edit(folder, "redeem", "to: undone", "to: undnoe")
    with (
        pytest.raises(FlowFilesInvalid, match=r"redeem\.yaml:\d+:\d+: .*undnoe"),
        open_shop(database_url, flows_dir=folder),
    ):
        pass


def test_a_conversation_finishes_in_the_revision_it_began_in(shop: Shop, folder: Path) -> None:
    """Bob was asked under the old words and answers under the old rules; Alice gets the new ones."""
    shop.says(BOB, "JOIN")
    edit(folder, "join", "You are in, welcome", "Brand new words: you are in, welcome")
    shop.services.catalog.refresh(shop.clock.now())
    assert "Brand new words" not in shop.says(BOB, "YES")[0]
    shop.says(ALICE, "JOIN")
    assert "Brand new words" in shop.says(ALICE, "YES")[0]


def test_an_old_revision_survives_a_restart(database_url: str, folder: Path) -> None:
    """The text of every published revision is kept."""
    with open_shop(database_url, flows_dir=folder) as shop:
        shop.says(BOB, "JOIN")
    edit(folder, "join", "You are in, welcome", "Brand new words: you are in, welcome")
    with open_shop(database_url, flows_dir=folder) as shop:
        assert "Brand new words" not in shop.says(BOB, "YES")[0]


def test_the_same_files_are_compiled_once(database_url: str, tmp_path: Path) -> None:
    """However many catalogs read them: machines and router are shared, the numbers of revisions are not."""
    with open_shop(database_url) as shop, open_shop(f"sqlite:///{tmp_path / 'other.db'}") as other:
        here, there = shop.services.catalog.book, other.services.catalog.book
    assert here.router is there.router
    for name, compiled in here.compiled.items():
        assert compiled.machine is there.compiled[name].machine
        assert compiled.revision_id != there.compiled[name].revision_id
        assert here.revision(compiled.revision_id) is compiled
