"""Starts the real server and the floor as processes of their own, and reads what they cost."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

TOKEN = "0123456789abcdef0123456789abcdef"
START_SECONDS = 60.0
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Server:
    """A running server: where it is and which process leads its group."""

    name: str
    url: str
    process: subprocess.Popen[bytes]

    def cpu_seconds(self) -> float:
        """Return the processor time the server's processes have used so far."""
        return sum(_cpu_of(pid) for pid in _group(self.process.pid))

    def kill(self) -> None:
        """Kill every process of the server at once, as a power cut would."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """Ask the server to end and return its exit code."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.process.returncode


def free_port() -> int:
    """Return a port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def product_environment(database_url: str, port: int, **more: str) -> dict[str, str]:
    """Return the environment of the product as a shop would run it, with no way out to the real carrier."""
    return {
        **os.environ,
        "REGULARS_DEMO": "0",
        "SECRET_KEY": "bench-secret",
        "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
        "TWILIO_AUTH_TOKEN": TOKEN,
        "TWILIO_FROM": "+14155550100",
        "TWILIO_API_BASE_URL": "http://127.0.0.1:9",
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "PORT": str(port),
        "HOST": "127.0.0.1",
        "DATABASE_URL": database_url,
        "LOG_LEVEL": "ERROR",
        **more,
    }


@contextmanager
def product(database_url: str, name: str = "Regulars", port: int | None = None, **more: str) -> Iterator[Server]:
    """Run the real server on a database until the block ends."""
    port = port or free_port()
    command = [sys.executable, "-m", "bot", "serve"]
    with _running(name, command, product_environment(database_url, port, **more), port, "/healthz") as server:
        yield server


@contextmanager
def floor(database: str, name: str = "floor") -> Iterator[Server]:
    """Run the conventional floor on a database until the block ends."""
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.floor", "--bind", f"127.0.0.1:{port}"]
    environment = {
        **os.environ,
        "FLOOR_DATABASE": database,
        "TWILIO_AUTH_TOKEN": TOKEN,
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
    }
    with _running(name, command, environment, port, None) as server:
        yield server


@contextmanager
def _running(
    name: str, command: list[str], environment: Mapping[str, str], port: int, ready: str | None
) -> Iterator[Server]:
    root = Path(__file__).resolve().parents[2]
    process = subprocess.Popen(command, env=dict(environment), cwd=root, start_new_session=True)
    server = Server(name, f"http://127.0.0.1:{port}", process)
    try:
        _await(server, port, ready)
        yield server
    finally:
        server.stop()


def _await(server: Server, port: int, ready: str | None) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if server.process.poll() is not None:
            raise RuntimeError(f"{server.name} ended with {server.process.returncode} while starting")
        try:
            if ready is None:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
            else:
                urlopen(server.url + ready, timeout=1).close()
        except (URLError, OSError):
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(f"{server.name} did not start within {START_SECONDS} s")


def _group(leader: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == leader:
                found.append(int(entry.name))
    return found


def _cpu_of(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS
