"""The pages agree with the package, their links resolve, and they contain no secret."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from mexc_async import errors
from tests.support.documents import PAGES, ROOT

_ADVICE = sorted(name for name in vars(errors) if name.startswith("ADVICE_"))
_LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
_SECRET = re.compile(r"\bmx0\w{8,}|\b[0-9a-fA-F]{32,}\b|\b(?=\w*[0-9])(?=\w*[a-z])(?=\w*[A-Z])\w{24,}\b")
_ASSIGNED = re.compile(r"(?:MEXC_API_KEY|MEXC_API_SECRET|api_key|api_secret|secret)(?:=|\": )[\"']?([\w.$-]+)")
_PLACEHOLDER = re.compile(r"\.\.\.|(mexc_sim|simulator)\.api_(key|secret)|sim-[a-z-]+|str")

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as Markdown viewers build them."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    heads = re.findall(r"^#+ (.+)$", text, flags=re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("name", _ADVICE)
def test_faq_gives_the_advice_of_the_error(name: str) -> None:
    faq = " ".join((ROOT / "docs" / "faq.md").read_text(encoding="utf-8").split())
    assert " ".join(getattr(errors, name).split()) in faq


def test_tables_are_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "docs" / "tables.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pages
def test_links_resolve(page: Path) -> None:
    for target in _LINK.findall(page.read_text(encoding="utf-8")):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.is_file(), f"{page.name} links to {target}"
        assert linked.is_relative_to(ROOT), f"{page.name} links to {target}"
        assert not anchor or anchor in anchors(linked), f"{page.name} links to {target}"


@pages
def test_index_lists_the_page(page: Path) -> None:
    if page.name in ("README.md", "index.md"):
        return
    for lister in (ROOT / "README.md", ROOT / "docs" / "index.md"):
        assert f"{page.name})" in lister.read_text(encoding="utf-8"), f"{lister.name} does not link {page.name}"


@pages
def test_page_holds_no_secret(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert _SECRET.findall(text) == []
    assigned = {value.rstrip(".") or "..." for value in _ASSIGNED.findall(text)}
    assert {value for value in assigned if not _PLACEHOLDER.fullmatch(value)} == set()


@pages
def test_table_markers_are_paired(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.count("<!-- table: ") == text.count("<!-- end of table -->")
