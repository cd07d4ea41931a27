"""`make chaos`: the scenes in full. `python -m tests.chaos.run --kills 20 --deliveries 10000 --hostile 100000`.

The fourth is texts in and out, marketing and timers among them, with real processes, on PostgreSQL and Redis of
its own and on SQLite, while everything is killed: `--messages 100000 --outbound-kills 100` in full,
`--messages 0` leaves it out.

`--database` names a database to use (it is left behind for a look); by default each scene gets its own file.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.outbound import outbound
from tests.chaos.scenes import hostile, repeats, sudden_death


def main(arguments: Sequence[str] | None = None) -> int:
    """Play and print; exit 1 when anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--deliveries", type=int, default=10_000)
    parser.add_argument("--hostile", type=int, default=100_000)
    parser.add_argument("--messages", type=int, default=2_000, help="texts in and out in the fourth scene")
    parser.add_argument("--outbound-kills", type=int, default=10)
    parser.add_argument("--on", choices=("postgres", "sqlite"), nargs="+", default=["postgres", "sqlite"])
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
    for kind in options.on if options.messages else ():
        outcomes.append(outbound(kind, options.messages, options.outbound_kills))
        print(outcomes[-1], flush=True)
    return 1 if any(outcome.faults for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
