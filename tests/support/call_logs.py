"""Lines of a call log's files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mexc_async.call_log.files import read_lines


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for _, line in read_lines(path)]


def of_kind(path: Path, *kinds: str) -> list[dict[str, Any]]:
    return [line for line in lines(path) if line["kind"] in kinds]
