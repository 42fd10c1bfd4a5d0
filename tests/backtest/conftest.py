"""A short recorded market."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.tape_file import write_tape


@pytest.fixture(scope="session")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tape(tmp_path_factory.mktemp("tapes") / "minute.jsonl")
