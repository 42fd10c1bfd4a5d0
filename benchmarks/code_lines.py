"""Lines of code of the order path and the transports: `python -m benchmarks.code_lines [FOLDER]`.

A line counts if it holds code: no docstring, comment or blank line does. FOLDER is another checkout to count instead.
"""

from __future__ import annotations

import argparse
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

PACKAGE = "mexc_async"
COUNTED = {
    "from the call to the attempt": (
        "client/channel.py",
        "orders/execution.py",
        "orders/halt.py",
        "orders/ids.py",
        "orders/started.py",
        "spot/prepared.py",
    ),
    "the attempt": (
        "rest/_express.pxi",
        "rest/_hmac.pxi",
        "rest/_order.pxi",
        "rest/call.py",
        "rest/pipeline.py",
        "rest/route_plan.py",
        "rest/server_clock.py",
        "rest/signing.py",
    ),
    "its limits": (
        "limits/_limits.pxi",
        "limits/bucket.py",
        "limits/gate.py",
        "limits/limiter.py",
        "limits/queue.py",
    ),
    "transports": ("transport/*.p*",),
}
"""Files of each part. A file that is split or joined keeps its part; one that goes leaves the list."""
_NO_CODE = {
    tokenize.COMMENT, tokenize.DEDENT, tokenize.ENCODING, tokenize.ENDMARKER, tokenize.INDENT, tokenize.NEWLINE,
    tokenize.NL,
}  # fmt: skip


def code_lines(path: Path) -> int:
    """Count the lines of a Python or Cython file that hold code."""
    lines: set[int] = set()
    with path.open("rb") as file:
        for statement in _statements(tokenize.tokenize(file.readline)):
            if not all(token.type == tokenize.STRING for token in statement):  # a docstring
                for token in statement:
                    lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines)


def _statements(tokens: Iterator[tokenize.TokenInfo]) -> Iterator[list[tokenize.TokenInfo]]:
    """Yield the tokens of each logical line, without comments."""
    statement: list[tokenize.TokenInfo] = []
    for token in tokens:
        if token.type == tokenize.NEWLINE:
            yield statement
            statement = []
        elif token.type not in _NO_CODE:
            statement.append(token)


def files(root: Path) -> dict[str, list[Path]]:
    """Return the files of each part that a checkout has."""
    package = root / PACKAGE
    return {
        part: [path for name in names for path in sorted(package.glob(name)) if path.name != "__init__.py"]
        for part, names in COUNTED.items()
    }


def main(arguments: list[str] | None = None) -> int:
    """Print the lines of each file, of each part and of all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.code_lines", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=Path(__file__).parents[1], metavar="FOLDER")
    root: Path = parser.parse_args(arguments).folder
    if not (root / PACKAGE).is_dir():
        parser.exit(2, f"{parser.prog}: {root} is not a checkout: it has no folder {PACKAGE}\n")
    total = 0
    for part, paths in files(root).items():
        counts = {path: code_lines(path) for path in paths}
        total += sum(counts.values())
        print(f"{sum(counts.values()):6,}  {part}")
        for path, count in counts.items():
            print(f"        {count:6,}  {path.relative_to(root / PACKAGE)}")
    print(f"{total:6,}  all")
    return 0


if __name__ == "__main__":
    sys.exit(main())
