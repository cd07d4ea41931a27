"""The Dockerfile and compose.yaml name only what exists. There is no Docker here: they are read, not run."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from ruamel.yaml import YAML

from bot.cli.root import main

ROOT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = YAML(typ="safe").load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "regulars:latest"}
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
SETTINGS = set(re.findall(r'env\.\w+\("([A-Z_]+)"', (ROOT / "bot/settings.py").read_text())) | {"WEB_WORKERS"}


def _example() -> set[str]:
    return set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))


def _commands() -> Iterator[tuple[str, list[str]]]:
    yield "Dockerfile", json.loads(re.findall(r"^CMD (.+)$", DOCKERFILE, re.MULTILINE)[-1])
    for name, service in OURS.items():
        yield name, service["command"]
        test = service.get("healthcheck", {}).get("test", [])
        if "bot" in test:
            yield f"{name} health", test[1:]


COMMANDS = dict(_commands())


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_exists_and_takes_its_options(name: str) -> None:
    """Each is `python -m bot COMMAND OPTIONS...`, parsed by the command itself."""
    assert COMMANDS[name][:3] == ["python", "-m", "bot"]
    word, *options = COMMANDS[name][3:]
    command = main.get_command(click.Context(main), word)
    assert command is not None
    command.make_context(word, options)


def test_every_setting_that_is_passed_is_read() -> None:
    """An environment variable nobody reads is a mistake in writing."""
    for name, service in OURS.items():
        assert set(service["environment"]) <= SETTINGS, name
    assert (
        set(re.findall(r"^\s+([A-Z_]+)=\S+", DOCKERFILE, re.MULTILINE))
        - {
            "PATH",
            "PYTHONDONTWRITEBYTECODE",
            "PYTHONUNBUFFERED",
        }
        <= SETTINGS
    )


def test_every_variable_has_its_line_in_the_example() -> None:
    """What compose takes from .env is explained in .env.example."""
    text = (ROOT / "compose.yaml").read_text() + (ROOT / "docker/Caddyfile").read_text()
    assert set(re.findall(r"\$\{?([A-Z_]+)", text)) <= _example()


def test_every_role_runs_twice_behind_a_proxy() -> None:
    """Two doors, two senders, two clocks; a migration before them, and a broker and a database beside them."""
    for role in ("web", "worker", "scheduler"):
        assert SERVICES[role]["deploy"]["replicas"] == 2
        assert SERVICES[role]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
        assert "healthcheck" in SERVICES[role]
    assert {"proxy", "postgres", "redis", "rabbitmq"} <= set(SERVICES)
    assert SERVICES["rabbitmq"]["profiles"] == ["rabbitmq"]
    for service in SERVICES.values():
        assert set(service.get("depends_on", {})) <= set(SERVICES)


def test_the_database_is_asked_as_the_others_reach_it() -> None:
    """By TCP, so that the server which only fills a new volume is not taken for it: the migration runs once."""
    check = SERVICES["postgres"]["healthcheck"]["test"]
    assert check[check.index("-h") + 1] == "127.0.0.1"
    assert SERVICES["migrate"]["depends_on"]["postgres"]["condition"] == "service_healthy"


@pytest.mark.parametrize("prefix", ["CARRIER", "BIRD_", "TWILIO_"])
def test_every_carrier_can_be_chosen(prefix: str) -> None:
    """What a carrier's settings are named reaches each process, and none insists on the other's."""
    wanted = {name for name in SETTINGS if name.startswith(prefix)} - {"TWILIO_API_BASE_URL"}
    for service in OURS.values():
        assert wanted <= set(service["environment"])
        assert not any(":?" in service["environment"][name] for name in wanted)


def test_everything_that_is_mounted_or_kept_is_there() -> None:
    """Bind mounts exist and named volumes are declared."""
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert (ROOT / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]


def test_everything_that_is_copied_is_there_and_not_ignored() -> None:
    """The image gets the code, the flows and nothing else; never a database or a secret."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line]
    kept = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert lines[0] == "*"
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE):
        for part in source.split():
            assert (ROOT / part).exists()
            assert any(fnmatch.fnmatch(part, pattern) for pattern in kept), part


def test_it_runs_as_nobody_and_builds_nothing() -> None:
    """Not root, wheels only, on the slim image of a Python the requirements were resolved for."""
    assert "USER regulars" in DOCKERFILE
    assert "--only-binary :all:" in DOCKERFILE
    assert set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)) == {"python:3.13-slim"}
    assert all("ALL" in service["cap_drop"] for service in OURS.values())
