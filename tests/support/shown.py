"""What a test prints, for pytest to show when it fails, or with `-s`."""

from __future__ import annotations

import random


def show(words):
    """Print a figure or a finding."""
    print(words)  # noqa: T201 - it is what this is for


def new_seed():
    """Give a seed, and print it, so that a failure can be repeated."""
    seed = random.randrange(2**32)
    show(f"seed {seed}")
    return seed
