"""Settings: read once, and every mistake named before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.errors import SettingsError
from bot.settings import ROOT, Settings, load_settings

LIVE = {
    "SECRET_KEY": "secret",
    "TWILIO_ACCOUNT_SID": "AC1",
    "TWILIO_AUTH_TOKEN": "token",
    "TWILIO_FROM": "+12015550100",
    "PUBLIC_URL": "https://shop.example/",
}


def load(tmp_path: Path, **given: str) -> Settings:
    return load_settings(given, tmp_path / "no.env")


def test_every_missing_secret_is_named_at_once(tmp_path: Path) -> None:
    """One start, one list."""
    with pytest.raises(SettingsError) as refused:
        load(tmp_path)
    for name in LIVE:
        assert f"{name} is missing" in str(refused.value)


@pytest.mark.parametrize("blank", ["", "  ", ",", " , "])
def test_a_secret_of_blanks_is_missing(tmp_path: Path, blank: str) -> None:
    """Otherwise posts would be checked against a token nobody knows of."""
    with pytest.raises(SettingsError, match="TWILIO_AUTH_TOKEN is missing"):
        load(tmp_path, **{**LIVE, "TWILIO_AUTH_TOKEN": blank})


def test_two_tokens_with_blanks_between(tmp_path: Path) -> None:
    """As people write lists."""
    settings = load(tmp_path, **{**LIVE, "TWILIO_AUTH_TOKEN": " new , old "})
    assert settings.auth_tokens == ("new", "old")
    assert settings.public_url == "https://shop.example"
    assert settings.live


@pytest.mark.parametrize(
    ("given", "demo"),
    [
        ({"REGULARS_DEMO": "1"}, True),
        ({"REGULARS_DEMO": "auto"}, True),
        ({"REGULARS_DEMO": "auto", "TWILIO_AUTH_TOKEN": "token"}, True),
        ({"REGULARS_DEMO": "auto", **LIVE}, False),
        (LIVE, False),
    ],
)
def test_the_demo_is_declared_or_follows_from_what_is_missing(
    tmp_path: Path, given: dict[str, str], demo: bool
) -> None:
    """`auto` is the demo exactly as long as Twilio is not configured; a token given is the one expected."""
    settings = load(tmp_path, **given)
    assert settings.demo is demo
    if "TWILIO_AUTH_TOKEN" in given:
        assert settings.auth_tokens == ("token",)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://u:hunter2@h/d"),
        ("DATABASE_URL", "sqlite://"),
        ("DATABASE_URL", "hunter2"),
        ("PORT", "70000"),
        ("PORT", "http"),
        ("PUBLIC_URL", "shop.example"),
        ("REGULARS_DEMO", "yes"),
        ("TWILIO_KEYWORDS", "nobody"),
        ("FLOWS_DIR", "no/such/folder"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, name: str, value: str) -> None:
    """By its name, and without a password that may stand in it."""
    with pytest.raises(SettingsError, match=name) as refused:
        load(tmp_path, **{**LIVE, name: value})
    assert "hunter2" not in str(refused.value)


def test_a_relative_folder_stays_where_it_was_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is found from where the process started, also after that has moved."""
    monkeypatch.chdir(ROOT)
    settings = load(tmp_path, **{**LIVE, "FLOWS_DIR": "flows"})
    monkeypatch.chdir(tmp_path)
    assert settings.flows_dir.is_dir()


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    """Both are read."""
    file = tmp_path / "some.env"
    file.write_text("PORT=9000\nHOST=0.0.0.0\n")
    settings = load_settings({**LIVE, "PORT": "9001"}, file)
    assert (settings.port, settings.host) == (9001, "0.0.0.0")
