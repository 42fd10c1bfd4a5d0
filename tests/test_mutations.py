"""The list of mutations names lines that exist, and tests that can notice."""

from __future__ import annotations

import pytest

from tests.mutations import MUTATIONS, ROOT, Mutation


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.file)
def test_mutation_changes_one_place_and_names_its_tests(mutation: Mutation) -> None:
    assert mutation.text != (ROOT / "mexc_async" / mutation.file).read_text(encoding="utf-8")
    assert all((ROOT / "tests" / name).is_file() for name in mutation.tests.split())


def test_there_are_forty_in_both_cores() -> None:
    assert len(MUTATIONS) == len(set(MUTATIONS)) == 40
    assert sum(mutation.file.endswith(".pxi") for mutation in MUTATIONS) == 12
