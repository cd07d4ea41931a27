"""What granian runs in its worker process: the server, tied to the life of the process that started it."""

from __future__ import annotations

import os
import threading
import time

from bot.server import Server, create_server

_LOOK = 0.2  # seconds


def create() -> Server:
    """Build the application for granian; the worker ends when its parent is killed.

    Otherwise a worker whose parent got SIGKILL would keep the port and the database for ever.
    """
    threading.Thread(target=_end_with, args=(os.getppid(),), name="parent-watch", daemon=True).start()
    return create_server()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK)
    os._exit(1)  # at once: every text that was answered is committed
