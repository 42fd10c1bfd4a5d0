"""Numbers of seeds of this package's own rehearsals: `make test` runs 100 in all, `make rehearse` 10,000."""

from __future__ import annotations

import os

SEEDS = int(os.environ.get("REHEARSE_SEEDS", "100"))
"""Seeds of all rehearsals of tests/rehearsals together."""
MANY = 1000
"""Number of all seeds from which on a rehearsal uses every CPU."""


def share(percent: int) -> int:
    """Return a rehearsal's share of all seeds, at least one."""
    return max(1, SEEDS * percent // 100)


def cpus() -> int | None:
    """Return the number of processes of a rehearsal: few seeds run in the test's own process."""
    return None if SEEDS >= MANY else 1
