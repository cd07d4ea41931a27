"""`migrate`, `backup`, `restore`, `seed`: the database as a whole."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import click
from sqlalchemy.engine import URL

from bot.app import local_host
from bot.cli.opened import command_settings, database, desk
from bot.cli.shown import say
from bot.settings import Settings
from storage.database import normal_url
from storage.migrate import current, head, upgrade


@click.command()
def migrate() -> None:
    """Bring the database to this release's schema. `serve` does this by itself."""
    with database():
        say(f"The database is at revision {head()}.")


@click.command()
def seed() -> None:
    """Fill the database with the demo shop's customers, once."""
    from bot.demo import seed as seed_demo

    with desk() as opened:
        done = seed_demo(opened.engine, opened.catalog, opened.settings, opened.clock.now())
    say(
        "The demo shop's year is in." if done else "It was done before; nothing changed. `make demo-reset` begins anew."
    )


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Overwrite FILE.")
def backup(file: Path, force: bool) -> None:
    """Write a copy of the database to FILE, while the server runs.

    SQLite is copied page by page and checked; PostgreSQL needs pg_dump on this machine.

    \b
    Example:
      python -m bot backup backups/monday.db
    """
    settings = command_settings()
    if file.exists() and not force:
        raise click.ClickException(f"{file} exists. --force overwrites it.")
    url = normal_url(settings.database_url)
    if settings.sqlite and not _file_of(url).exists():
        raise click.ClickException(f"There is no database {url.database} yet.")
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(file.name + ".new")
    fresh.unlink(missing_ok=True)
    try:
        if settings.sqlite:
            _copy(_file_of(url), fresh)
            _check(fresh)
        else:
            _run(url, "pg_dump", "--format=custom", f"--file={fresh}", _plain(url))
        os.replace(fresh, file)
    finally:
        fresh.unlink(missing_ok=True)
    say(f"{file}: {file.stat().st_size / 1_000_000:.1f} MB")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Replace a database that has data.")
def restore(file: Path, force: bool) -> None:
    """Put the backup FILE in the database's place and migrate it. The server must not run.

    The SQLite file that was there is kept beside it as NAME.before-restore.

    \b
    Example:
      python -m bot restore backups/monday.db --force
    """
    settings = command_settings()
    _refuse_running(settings)
    url = normal_url(settings.database_url)
    if settings.sqlite:
        _check(file)
        _restore_file(file, _file_of(url), force)
    else:
        if current(settings.database_url) is not None and not force:
            raise click.ClickException("The database has data. --force replaces it.")
        _run(
            url,
            "pg_restore",
            "--clean",
            "--if-exists",
            "--no-owner",
            "--single-transaction",
            f"--dbname={_plain(url)}",
            str(file),
        )
    upgrade(settings.database_url)
    say(f"{file} is the database now.")


def _file_of(url: URL) -> Path:
    return Path(url.database or "").resolve()


def _copy(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


def _check(file: Path) -> None:
    """Raise when a file is no whole database of ours."""
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
            verdict = connection.execute("PRAGMA integrity_check").fetchone()[0]
            connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.DatabaseError as trouble:
        raise click.ClickException(f"{file} is no backup of Regulars: {trouble}.") from None
    if verdict != "ok":
        raise click.ClickException(f"{file} is damaged: {verdict}.")


def _restore_file(file: Path, target: Path, force: bool) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        if not force:
            raise click.ClickException(
                f"{target} exists. --force replaces it and keeps it as {target.name}.before-restore."
            )
        _take_for_ourselves(target)
        os.replace(target, target.with_name(target.name + ".before-restore"))
    fresh = target.with_name(target.name + ".new")
    shutil.copyfile(file, fresh)
    os.replace(fresh, target)


def _take_for_ourselves(file: Path) -> None:
    """Leave WAL mode, which SQLite allows only to the one process that has the file open."""
    with closing(sqlite3.connect(file, timeout=1)) as connection:
        try:
            connection.execute("PRAGMA journal_mode = DELETE")
        except sqlite3.OperationalError:
            raise click.ClickException(f"Another process has {file} open. Stop the server first.") from None


def _refuse_running(settings: Settings) -> None:
    try:
        with socket.create_connection((local_host(settings.host), settings.port), timeout=1):
            pass
    except OSError:
        return
    where = f"{settings.host}:{settings.port}"
    raise click.ClickException(f"Something answers on {where}, probably the server. Stop it first.")


def _plain(url: URL) -> str:
    """Return a PostgreSQL URL as its own tools read it, without the password."""
    return url._replace(drivername="postgresql", password=None).render_as_string()


def _run(url: URL, tool: str, *arguments: str) -> None:
    """Run one of PostgreSQL's tools; the password goes by the environment, where `ps` does not show it."""
    if shutil.which(tool) is None:
        raise click.ClickException(f"{tool} is not installed; it belongs to PostgreSQL's client tools.")
    secret = {"PGPASSWORD": str(url.password)} if url.password else {}
    done = subprocess.run([tool, *arguments], capture_output=True, text=True, check=False, env={**os.environ, **secret})
    if done.returncode:
        raise click.ClickException(f"{tool}: {done.stderr.strip() or done.returncode}")
