"""What must hold of every flow, and of all flows together.

The library under the machine accepts unknown targets and silent nonsense; finding mistakes is done here,
before anything is compiled.
"""

from bot.engine.prover.proof import prove

__all__ = ["prove"]
