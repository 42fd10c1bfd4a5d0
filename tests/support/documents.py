"""The documentation's pages and their fenced blocks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md")))
REFERENCE = tuple(sorted((ROOT / "docs" / "api").glob("*.md")))
"""Pages that `docs/reference.py` writes."""

_BLOCK = re.compile(
    r"(?:<!-- compiled only: (?P<note>[^\n]*) -->\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.M | re.S
)


class Block(NamedTuple):
    """One fenced block."""

    page: Path
    line: int
    """Number of the block's first line in the page."""
    kind: str
    text: str
    note: str | None
    """Reason why it is compiled only: `needs LIBRARY`, or the test that runs it and more words; None to run it."""

    @property
    def compiled_only(self) -> bool:
        """True if at most a test of its own runs it."""
        return self.note is not None

    @property
    def needs(self) -> str:
        """Library of others that it needs; empty if it needs none."""
        return self.note.removeprefix("needs ") if self.note and self.note.startswith("needs ") else ""

    @property
    def name(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(kind: str) -> list[Block]:
    """Yield every fenced block of a kind, page by page."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in _BLOCK.finditer(text):
            if match["kind"] == kind:
                line = text.count("\n", 0, match.start("text")) + 1
                found.append(Block(page, line, kind, match["text"], match["note"]))
    return found
