"""How much of a random test is run: a share each time, all of it on a schedule."""

from __future__ import annotations

import os

FULL = bool(os.environ.get("FULL_TESTS"))
"""Whether this is `make test-full`."""


def share(full, part):
    """Return how many there are to be: `part` of them, or all in `make test-full`."""
    return full if FULL else part
