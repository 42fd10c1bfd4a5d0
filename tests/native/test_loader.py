"""A compiled core that was built is in use; where it, or a part of it, cannot be, one warning says why."""

from __future__ import annotations

import importlib.machinery
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import mexc_async.native
from mexc_async.native.loader import compiled, core_kind, faults

ROOM = Path(mexc_async.native.__file__).parent
BUILT = [ROOM / f"_compiled{suffix}" for suffix in importlib.machinery.EXTENSION_SUFFIXES]
IS_BUILT = any(path.exists() for path in BUILT)
IS_PURE_CHOSEN = bool(os.environ.get("MEXC_ASYNC_PURE"))

needs_core = pytest.mark.skipif(not IS_BUILT, reason="the compiled core was not built")

REPORT = """
import mexc_async
print(mexc_async.core_kind)
import mexc_async.client.mexc  # warns no second time
from decimal import Decimal
from mexc_async.books.book import OrderBook
from mexc_async.rest.signing import Signer
"""
UNLOADABLE = """
import mexc_async.books.side as side
kept = side.BookLevel
del side.BookLevel
import mexc_async.native.loader
side.BookLevel = kept  # the rest of the package needs it
"""


def start(code: str, *flags: str, pure: str = "", folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter, with the package of `folder` if one is given."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    environment["MEXC_ASYNC_PURE"] = pure
    command = [sys.executable, *flags, "-c", code]
    here = folder or ROOM.parents[1]
    return subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, check=False)


def warning(code: str) -> tuple[str, str]:
    """The core in use, and the one warning that comes with it."""
    done = start(code + REPORT)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("Warning: ") == 1, done.stderr
    return done.stdout.strip(), done.stderr


def test_core_that_was_built_is_in_use_whole() -> None:
    assert faults == () or IS_PURE_CHOSEN
    assert core_kind == ("compiled" if IS_BUILT and not IS_PURE_CHOSEN else "pure")
    assert (compiled is not None) == (core_kind == "compiled")


@pytest.mark.parametrize("pure", ["", "1"])
def test_sound_core_and_chosen_pure_one_warn_of_nothing(pure: str) -> None:
    done = start(REPORT, "-W", "error", pure=pure)
    assert (done.returncode, done.stderr) == (0, "")


@needs_core
def test_wrong_name_in_the_core_makes_the_pure_one_take_over_with_a_warning() -> None:
    kind, said = warning(UNLOADABLE)
    assert kind == "pure"
    assert "RuntimeWarning: mexc_async works without the compiled core, more slowly: ImportError: cannot import" in said
    assert "BookLevel" in said


@needs_core
def test_broken_core_is_no_matter_where_the_pure_one_is_chosen() -> None:
    done = start(UNLOADABLE + REPORT, "-W", "error", pure="1")
    assert (done.stdout.strip(), done.stderr) == ("pure", "")


@needs_core
@pytest.mark.parametrize("name", ["core_kind", "Mexc"])
def test_broken_core_is_an_error_where_warnings_are(name: str) -> None:
    done = start(f"{UNLOADABLE}from mexc_async import {name}", "-W", "error")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("RuntimeWarning: mexc_async works without the compiled core"), done.stderr


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A folder with a copy of the package, without the compiled core."""
    shutil.copytree(ROOM.parent, tmp_path / "mexc_async", ignore=shutil.ignore_patterns("_compiled.*", "__pycache__"))
    return tmp_path


def test_core_that_was_not_built_is_not_missed(copied: Path) -> None:
    done = start(REPORT, "-W", "error", folder=copied)
    assert (done.stdout.strip(), done.stderr) == ("pure", "")


def test_core_for_another_python_is_missed(copied: Path) -> None:
    name = "_compiled.cpython-399-x86_64-linux-gnu.so"
    (copied / "mexc_async" / "native" / name).touch()
    done = start(REPORT, folder=copied)
    assert done.stdout.strip() == "pure"
    assert f"more slowly: {name} is for another Python" in done.stderr


def test_damaged_core_is_missed(copied: Path) -> None:
    name = f"_compiled{importlib.machinery.EXTENSION_SUFFIXES[0]}"
    (copied / "mexc_async" / "native" / name).write_bytes(b"damaged")
    done = start(REPORT, folder=copied)
    assert done.stdout.strip() == "pure"
    assert "more slowly: ImportError: " in done.stderr


OTHER_STRUCTS = """
import msgspec
class Probe:
    __slots__ = ("held",)
    def __init__(self, first, second=None): self.held = first, second
    first = property(lambda self: self.held[0])
    second = property(lambda self: self.held[1])
msgspec.defstruct = lambda *_, **__: Probe
"""
WIDER_STRUCTS = """
import msgspec
define = msgspec.defstruct
msgspec.defstruct = lambda name, fields, **how: define(name, [*fields, ("third", object, None)], **how)
"""
OTHER_TUPLES = """
import mexc_async.books.side as side
class Named(side.BookLevel):
    __slots__ = ()
    def __hash__(self): return 1
    def __len__(self): return 3
side.BookLevel = Named
"""
OTHER_CLOCK = "import time\ntime.monotonic = lambda: 1.0\n"
OTHER_DECIMALS = "import decimal\nclass Money(decimal.Decimal): pass\ndecimal.Decimal = Money\n"
OTHER_DIGESTS = """
import hmac
class Other:
    hexdigest = lambda self: "0" * 64
hmac.new = lambda *_: Other()
"""


@needs_core
@pytest.mark.parametrize(
    ("code", "kind", "reason"),
    [
        (OTHER_STRUCTS, "pure", "the field of a Struct is no slot"),
        (WIDER_STRUCTS, "pure", "hold more than their slots"),
        (OTHER_TUPLES, "pure", "tuples are laid out otherwise than known"),
        (OTHER_CLOCK, "compiled", "a part of the compiled core, more slowly: time.monotonic() reads another clock"),
        (OTHER_DIGESTS, "compiled", "a part of the compiled core, more slowly: libcrypto's SHA-256 signs otherwise"),
    ],
)
def test_broken_assumption_is_found(code: str, kind: str, reason: str) -> None:
    found, said = warning(code)
    assert found == kind
    assert reason in said


@needs_core
def test_other_clock_is_read_by_python() -> None:
    code = OTHER_CLOCK + textwrap.dedent("""
        from mexc_async.limits.limiter import RateLimiter
        from mexc_async.limits.profiles import Limits
        from mexc_async.runtime.clock import SYSTEM
        from mexc_async.spot.market import Ping
        gate = RateLimiter(Limits.named("default"), SYSTEM).gate(Ping.route)
        print(gate.is_monotonic, gate.try_acquire(1.0), gate.sent(1.0))
    """)
    done = start(code)
    assert done.stdout.split() == ["True", "True", "1.0"], done.stderr


@needs_core
def test_other_decimals_are_made_by_python() -> None:
    code = OTHER_DECIMALS + "from mexc_async.books.book import OrderBook\nfrom mexc_async.native.loader import faults\n"
    done = start(code + "print(*faults)")
    assert done.stdout.strip() == "Decimal is laid out otherwise than known: Python makes the numbers of books"


SHA256 = """
#include <string.h>
int SHA256_Init(void *state) { memset(state, 1, SIZE); return 1; }
int SHA256_Update(void *state, const void *data, unsigned long size) { return 1; }
int SHA256_Final(unsigned char *digest, void *state) { memset(digest, 0, 32); return 1; }
"""


@needs_core
@pytest.mark.parametrize(
    ("size", "reason"), [(112, "SHA-256 signs otherwise"), (120, "takes more than 112"), (200, "takes more than 112")]
)
def test_other_libcrypto_is_not_used(size: int, reason: str, tmp_path: Path) -> None:
    source, library = tmp_path / "sha256.c", tmp_path / "sha256.so"
    source.write_text(SHA256)
    subprocess.run(["cc", "-shared", "-fPIC", f"-DSIZE={size}", str(source), "-o", str(library)], check=True)
    kind, said = warning(f"import _hashlib, ctypes\n_hashlib.__file__ = ctypes.CDLL({str(library)!r})._name\n")
    assert kind == "compiled"
    assert reason in said


@needs_core
def test_libcrypto_that_cannot_be_found_is_not_missed() -> None:
    code = "import _hashlib\n_hashlib.__file__ = '/nowhere.so'\nfrom mexc_async.native.loader import compiled, faults\n"
    assert start(code + "print(compiled.has_sha256, faults)").stdout.strip() == "False ()"


def test_changed_source_in_any_room_rebuilds(tmp_path: Path) -> None:
    parts = {"mexc_async/native/_compiled.pyx", "mexc_async/books/_side.pxi", "mexc_async/sim/rest/endpoints/_deep.pxd"}
    for part in parts:
        (tmp_path / part).parent.mkdir(parents=True)
        (tmp_path / part).touch()
    shutil.copy(ROOM.parents[1] / "Makefile", tmp_path)
    said = subprocess.run(["make", "-pn"], cwd=tmp_path, capture_output=True, text=True, check=False).stdout
    (core,) = (line for line in said.splitlines() if line.startswith("CORE := "))
    assert set(core.split()[2:]) == {"hatch_build.py", *parts}
