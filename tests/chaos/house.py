"""A whole installation of real processes that may be killed at any moment: each comes back as it was."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from tests.bench.servers import free_port

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 90.0


@dataclass
class Victim:
    """One process with its children: how it is started, and how to know that it works."""

    name: str
    command: Sequence[str]
    ready: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    user: str | None = None
    log: Path = Path(os.devnull)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; a service whose last life left something behind is started until it stays."""
        until = time.monotonic() + START_SECONDS
        while True:
            self._launch()
            while time.monotonic() < until and self.alive():
                if self.ready():
                    return
                time.sleep(0.05)
            self.kill()
            if time.monotonic() > until:
                raise TimeoutError(f"{self.name} did not start; see {self.log}")
            time.sleep(0.2)

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """Kill it and everything it started, as a power cut would."""
        self._signal(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()

    def stop(self, seconds: float = 30.0) -> None:
        """Ask it to end; kill it when it does not."""
        self._signal(signal.SIGTERM)
        if self.process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(seconds)
        self.kill()

    def _launch(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                list(self.command),
                env=dict(self.environment),
                cwd="/" if self.user else ROOT,
                user=self.user,
                group=self.user,
                extra_groups=[] if self.user else None,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _signal(self, number: signal.Signals) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)


def listens(port: int) -> bool:
    """Say whether somebody takes connections on a port of this machine."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def bot(name: str, environment: Mapping[str, str], *arguments: str, log: Path, ready: Callable[[], bool]) -> Victim:
    """Return a process of ours."""
    command = (sys.executable, "-m", "bot", *arguments)
    return Victim(name, command, ready, {**os.environ, **environment}, log=log)


def redis(folder: Path) -> tuple[str, Victim]:
    """Return the URL of a Redis of our own, and the process. What it held is lost with it."""
    port = free_port()
    options = ("--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder))
    victim = Victim("broker", ("redis-server", *options), lambda: listens(port), log=folder / "redis.log")
    return f"redis://127.0.0.1:{port}/0", victim


@contextmanager
def cluster(folder: Path) -> Iterator[tuple[str, Victim]]:
    """Make a PostgreSQL cluster of our own; give the URL of an empty database and the process, started."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
    if programs is None and (found := shutil.which("postgres")) is not None:
        programs = Path(found).parent
    if programs is None:
        raise SystemExit("There is no PostgreSQL server program on this machine.")
    user = "postgres" if os.geteuid() == 0 else None
    data, port = folder / "postgres", free_port()
    folder.chmod(0o755)
    data.mkdir()
    if user is not None:
        shutil.chown(data, user, user)
    make = [str(programs / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8"]
    subprocess.run(make, check=True, stdout=subprocess.DEVNULL, user=user, group=user, cwd="/")
    options = {"port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "max_connections": 200}
    settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
    victim = Victim(
        "database",
        (str(programs / "postgres"), "-D", str(data), *settings),
        lambda: _answers(url),
        user=user,
        log=folder / "postgres.log",
    )
    victim.start()
    try:
        yield url, victim
    finally:
        victim._signal(signal.SIGINT)  # a fast shutdown; SIGTERM would wait for clients
        victim.stop(10)


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=1).close()
    except psycopg.Error:
        return False
    return True


class Killer:
    """Kills one victim after the other and starts each again, as many at each part of the run as at any other."""

    def __init__(self, victims: Sequence[Victim], kills: int, choose: Callable[[Sequence[Victim]], Victim]) -> None:
        self.victims = victims
        self.kills = kills
        self.done: list[str] = []
        self.troubles: list[BaseException] = []
        self._choose = choose
        self._over = threading.Event()
        self._share = 0.0
        self._moved = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="killer")

    def start(self) -> None:
        self._thread.start()

    def keep_pace(self, share: float) -> None:
        """Say how much of the run has been played; wait when the kills are more than two behind."""
        with self._moved:
            self._share = max(self._share, share)
            self._moved.notify_all()
            self._moved.wait_for(lambda: self._over.is_set() or len(self.done) + _BEHIND >= share * self.kills)

    def join(self) -> None:
        """Wait for the last kill; everything runs again then."""
        self._thread.join()
        if self.troubles:
            raise self.troubles[0]

    def give_up(self) -> None:
        """Kill nobody any more."""
        self._over.set()
        with self._moved:
            self._moved.notify_all()

    def _run(self) -> None:
        try:
            while len(self.done) < self.kills and not self._over.is_set():
                with self._moved:  # not before as much of the run is over as of the kills
                    self._moved.wait_for(lambda: self._over.is_set() or self._share * self.kills >= len(self.done))
                self._over.wait(0.2 + 1.6 * os.urandom(1)[0] / 255)
                victim = self._choose(self.victims)
                victim.kill()
                self._over.wait(os.urandom(1)[0] / 255)
                victim.start()
                with self._moved:
                    self.done.append(victim.name)
                    self._moved.notify_all()
        except BaseException as trouble:
            self.troubles.append(trouble)
            self.give_up()


_BEHIND = 2  #: kills
