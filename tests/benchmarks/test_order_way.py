"""Counts of code lines, and of the files and calls that an order passes."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import code_lines, order_way
from benchmarks.order_way import Step, counts
from mexc_async.native.loader import core_kind

ROOT = Path(code_lines.__file__).parents[1]
PYTHON = '''"""Module."""

# comment
import os  # used


class A:
    """Class.

    More.
    """

    size = 1
    """Attribute."""
    text = """two
lines"""

    def f(self) -> int:
        """Function."""
        return (
            # inside
            os.getpid()
        )
'''
CYTHON = '''cdef class A:
    """Class."""
    cdef int size
    # comment

    cdef inline int f(self, Bytes* at) except? -1 nogil:
        return <int>at.size & 7
'''


@pytest.mark.parametrize(("name", "text", "lines"), [("a.py", PYTHON, 9), ("a.pxi", CYTHON, 4)])
def test_docstrings_comments_and_blank_lines_do_not_count(name: str, text: str, lines: int, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text)
    assert code_lines.code_lines(path) == lines


def test_every_file_whose_lines_are_counted_exists() -> None:
    for names in code_lines.COUNTED.values():
        for name in names:
            assert list((ROOT / code_lines.PACKAGE).glob(name)), name
    for name in order_way.COMPILED:
        assert (ROOT / code_lines.PACKAGE / name).is_file(), name


def test_the_lines_of_another_checkout_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    room = tmp_path / "mexc_async" / "limits"
    room.mkdir(parents=True)
    (room / "gate.py").write_text(PYTHON)
    assert code_lines.main([str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[-1].split() == ["9", "all"]


def test_a_folder_that_is_no_checkout_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        code_lines.main([str(tmp_path)])
    assert ended.value.code == 2
    assert "is not a checkout" in capsys.readouterr().err


def test_files_calls_and_changes_of_file_are_counted() -> None:
    assert counts([Step("a.py", "f"), Step("a.py", "g"), Step("b.py", "h"), Step("a.py", "f")]) == (2, 4, 2)


def test_the_way_of_an_order_is_traced_on_both_cores(capsys: pytest.CaptureFixture[str]) -> None:
    assert order_way.main(["--list"]) == 0
    printed = capsys.readouterr().out
    kinds = ("compiled", "pure") if core_kind == "compiled" else ("pure",)
    for kind in kinds:
        for way in (order_way.PLACED, order_way.REFUSED):
            assert f"{kind:9} {way}" in printed
    assert printed.count("OrderExecution.place\n") == 2 * len(kinds)
    assert printed.count("OrderExecution.acknowledge\n") == len(kinds)
    assert printed.count("_would_wait\n") == len(kinds)
