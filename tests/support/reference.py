"""The reference of MEXC's interface in `tests/reference`: endpoints, rules, WebSocket messages and their sources."""

from __future__ import annotations

import json
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "reference"


@cache
def read(name: str) -> Any:
    """Return one file of the reference, numbers with a fraction as Decimal."""
    return json.loads((FOLDER / name).read_text(encoding="utf-8"), parse_float=Decimal)


def spot_endpoints(*groups: str) -> dict[str, dict[str, Any]]:
    """Return the spot endpoints of some groups by id; of all without any."""
    return {row["id"]: row for row in read("spot-rest.json") if not groups or row["group"] in groups}
