"""`python -m bot`: the command line. See `python -m bot --help`."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

_VENV = Path(__file__).resolve().parent.parent / ".venv"


def _in_venv() -> None:
    """Run again with the interpreter that `make run` prepared, when this one lacks our libraries."""
    python = _VENV / "bin" / "python"
    if importlib.util.find_spec("click") is not None or Path(sys.prefix) == _VENV:
        return
    if not python.exists():
        sys.exit("Regulars' libraries are not installed. `make run` or `make test` installs them into .venv.")
    os.execv(python, [str(python), "-m", "bot", *sys.argv[1:]])


if __name__ == "__main__":
    _in_venv()
    from bot.cli import main

    main(prog_name="python -m bot")
