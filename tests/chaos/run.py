"""`make chaos`: the three scenes in full. `python -m tests.chaos.run --kills 20 --deliveries 10000 --hostile 100000`.

`--database` names a database to use (it is left behind for a look); by default each scene gets its own file.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.scenes import hostile, repeats, sudden_death


def main(arguments: Sequence[str] | None = None) -> int:
    """Play and print; exit 1 when anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--deliveries", type=int, default=10_000)
    parser.add_argument("--hostile", type=int, default=100_000)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        outcomes = []
        for play in (
            lambda: repeats(f"sqlite:///{folder / 'repeats.db'}", options.deliveries),
            lambda: sudden_death(f"sqlite:///{folder / 'death.db'}", options.kills),
            lambda: hostile(f"sqlite:///{folder / 'hostile.db'}", options.hostile),
        ):
            outcomes.append(play())
            print(outcomes[-1], flush=True)
    return 1 if any(outcome.faults for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
