"""The pages agree with the package, their links resolve, and they contain no secret."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import mexc_async
from mexc_async import errors
from tests.support.documents import PAGES, REFERENCE, ROOT

_ADVICE = sorted(name for name in vars(errors) if name.startswith("ADVICE_"))
_LINK = re.compile(r"\[(?:`[^`]*`|[^\]])+\]\(([^)\s]+)\)")
_SECRET = re.compile(r"\bmx0\w{8,}|\b[0-9a-fA-F]{32,}\b|\b(?=\w*[0-9])(?=\w*[a-z])(?=\w*[A-Z])\w{24,}\b")
_ASSIGNED = re.compile(r"(?:MEXC_API_KEY|MEXC_API_SECRET|api_key|api_secret|secret)(?:=|\": )[\"']?([\w.$-]+)")
_PATH = re.compile(r"`((?:[\w{},.-]+/)*[\w{},.-]+\.(?:py|pyx|pxi)|tests/[\w/.-]+|(?:\w+/){2,})`(?: `(\w+)`)?")
_BRACES = re.compile(r"\{([\w,]+)\}")
_FENCE = re.compile(r"^```.*?^```$", re.M | re.S)
_PLACEHOLDER = re.compile(r"\.\.\.|os\.environ|(mexc_sim|simulator)\.api_(key|secret)|sim-[a-z-]+|str")

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
all_pages = pytest.mark.parametrize("page", PAGES + REFERENCE, ids=lambda page: str(page.relative_to(ROOT)))


@cache
def anchors(page: Path) -> tuple[str, ...]:
    """Return the anchors of a page's headings, as Markdown viewers build them."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    heads = re.findall(r"^#+ (.+)$", text, flags=re.M)
    return tuple(re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads)


@pytest.mark.parametrize("name", _ADVICE)
def test_faq_gives_the_advice_of_the_error(name: str) -> None:
    faq = " ".join((ROOT / "docs" / "faq.md").read_text(encoding="utf-8").split())
    assert " ".join(getattr(errors, name).split()) in faq


def test_tables_are_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "docs" / "tables.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_reference_is_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "docs" / "reference.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_reference_describes_every_public_name() -> None:
    described = {anchor for page in REFERENCE for anchor in anchors(page)}
    described |= {name.lower() for page in REFERENCE for name in re.findall(r"As a value: `(\w+)", page.read_text())}
    left_out = {"Amount", "__version__", "Json", "core_kind", "paging", "backtest"}
    assert {name for name in mexc_async.__all__ if name.lower() not in described} == left_out


@pytest.mark.parametrize("page", REFERENCE, ids=lambda page: page.name)
def test_headings_of_the_reference_are_unique(page: Path) -> None:
    assert len(set(anchors(page))) == len(anchors(page))


@all_pages
def test_links_resolve(page: Path) -> None:
    for target in _LINK.findall(page.read_text(encoding="utf-8")):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.is_file(), f"{page.name} links to {target}"
        assert linked.is_relative_to(ROOT), f"{page.name} links to {target}"
        assert not anchor or anchor in anchors(linked), f"{page.name} links to {target}"


def named_paths(text: str) -> Iterator[tuple[str, str]]:
    """Yield the paths of files and folders in a page's prose, each with the name in the file that follows it, or blank.

    `books/{book,side}.py` names two files.
    """
    for path, name in _PATH.findall(_FENCE.sub("", text)):
        braces = _BRACES.search(path)
        for part in braces[1].split(",") if braces else [""]:
            yield _BRACES.sub(part, path), name


def resolved(path: str) -> Path | None:
    """Return the file or folder of a path, which may begin in the package; None without one."""
    return next((found for root in (ROOT, ROOT / "mexc_async") if (found := root / path).exists()), None)


@pages
def test_named_files_exist_and_hold_the_names_behind_them(page: Path) -> None:
    if page.name == "CHANGELOG.md":
        return
    for path, name in named_paths(page.read_text(encoding="utf-8")):
        if "/" not in path:
            assert [*(ROOT / "mexc_async").rglob(path)], f"{page.name} names {path}"
            continue
        found = resolved(path)
        assert found is not None, f"{page.name} names {path}, which does not exist"
        if name:
            declared = rf"^\s*(?:async |c)?(?:def|class|def class) {name}\b|^\s*{name}\b"
            assert re.search(declared, found.read_text(encoding="utf-8"), re.M), f"{page.name}: {path} has no {name}"


def test_files_of_every_task_are_named() -> None:
    """Each row of "Where to look" names at least one file."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = [line for line in text.partition("## Where to look")[2].splitlines() if line.startswith("| ")][2:]
    assert len(rows) >= 8
    assert [row for row in rows if not [*named_paths(row)]] == []


def test_named_paths_are_found() -> None:
    text = (
        "`books/{book,side}.py` `Book`, `sim/rest/endpoints/`, `events.py`\n```text\n`a/b.py`\n```\n`mexc.orders` `x=1`"
    )
    assert [*named_paths(text)] == [
        ("books/book.py", "Book"),
        ("books/side.py", "Book"),
        ("sim/rest/endpoints/", ""),
        ("events.py", ""),
    ]


def test_every_event_is_on_the_pages_about_hooks() -> None:
    pages = [(ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8") for name in ("security", "streams", "accounts")]
    declared = [path.read_text(encoding="utf-8") for path in (ROOT / "mexc_async").glob("*/events.py")]
    names = {name for text in declared for name in re.findall(r"^class (\w+)\(Event\b", text, re.M)}
    assert len(names) >= 10
    assert {name for name in names if not any(re.search(rf"\b{name}\b", text) for text in pages)} == set()


@pages
def test_index_lists_the_page(page: Path) -> None:
    if page.name in ("README.md", "index.md"):
        return
    for lister in (ROOT / "README.md", ROOT / "docs" / "index.md"):
        assert f"{page.name})" in lister.read_text(encoding="utf-8"), f"{lister.name} does not link {page.name}"


@all_pages
def test_page_holds_no_secret(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert _SECRET.findall(text) == []
    assigned = {value.rstrip(".") or "..." for value in _ASSIGNED.findall(text)}
    assert {value for value in assigned if not _PLACEHOLDER.fullmatch(value)} == set()


@pages
def test_table_markers_are_paired(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.count("<!-- table: ") == text.count("<!-- end of table -->")


_CHINESE = r"[\u4e00-\u9fff]"
_FULL_WIDTH = "，。：；？！（）「」、"


def test_chinese_prose_has_full_width_punctuation_and_code_has_none() -> None:
    text = (ROOT / "docs" / "guide.zh.md").read_text(encoding="utf-8")
    code = [*_FENCE.findall(text), *re.findall(r"`[^`\n]+`", text)]
    assert [block for block in code if re.search(f"[{_FULL_WIDTH}]", block)] == []
    prose = re.sub(r"\]\([^)]*\)", "]", re.sub(r"`[^`\n]+`", "`", _FENCE.sub("", text)))
    half = re.findall(f'{_CHINESE}[`*\\]]*[,.:;?!()"]|[("]{_CHINESE}', prose)
    assert half == []
