"""Stable random groups of customers, for experiments and control groups.

The arithmetic is so plain that SQL can do it for all customers at once (`bot/audience.py`): products
stay below 2^62, nothing overflows, nothing is rounded.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256

PRIME = 2**31 - 1


@lru_cache(maxsize=1024)
def mixers(name: str) -> tuple[int, int, int, int]:
    """Return the four numbers below PRIME, none of them 0, that make one name's groups independent of another's."""
    digest = sha256(name.encode()).digest()
    first, second, third, fourth = (
        int.from_bytes(digest[start : start + 8], "big") % (PRIME - 1) + 1 for start in (0, 8, 16, 24)
    )
    return first, second, third, fourth


def variant_of(customer_id: int, name: str) -> int:
    """Return a customer's number from 1 to 100 under a name: always the same, evenly spread over customers."""
    first, second, third, fourth = mixers(name)
    mixed = (customer_id % PRIME * first + second) % PRIME
    mixed = (mixed * mixed + third) % PRIME
    mixed = (mixed * mixed + fourth) % PRIME
    return mixed % 100 + 1
