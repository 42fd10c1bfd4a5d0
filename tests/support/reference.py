"""The reference of MEXC's interface, which lies beside the repository: `../shared/reference`."""

from __future__ import annotations

import json
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "reference"


def read(name: str) -> Any:
    """One file of the reference, numbers with a fraction as Decimal; skips the test or module where it is absent."""
    path = FOLDER / name
    if not path.is_file():
        pytest.skip(f"the reference ../shared/reference/{name} is not beside the repository", allow_module_level=True)
    return _parsed(path)


@cache
def _parsed(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)


def spot_endpoints(*groups: str) -> dict[str, dict[str, Any]]:
    """The spot endpoints of some groups by id; of all without any."""
    return {row["id"]: row for row in read("spot-rest.json") if not groups or row["group"] in groups}
