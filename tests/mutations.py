"""Forty faults, put into the code one at a time: the suite must notice each.

`python -m tests.mutations` tries all; `python -m tests.mutations 3 17` those with these numbers, `--list` prints them.
Each runs in a copy of the repository, with a compiled core of its own where it changes a `.pxi` file. The tests named
beside a fault must pass without it and fail with it. The exit status is 1 if a fault is missed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
TESTS_FAILED, TESTS_NOT_COLLECTED = 1, 2


class Mutation(NamedTuple):
    """A fault: `old` stands once in `file`, and `new` takes its place."""

    file: str
    old: str
    new: str
    tests: str
    """Files under `tests/` of which one at least must fail."""
    is_pure: bool = False
    """The tests run without the compiled core, which does this in its own way."""

    @property
    def text(self) -> str:
        """The file with the fault in it. Raises ValueError unless `old` stands there once."""
        text = (ROOT / "mexc_async" / self.file).read_text(encoding="utf-8")
        if text.count(self.old) != 1:
            raise ValueError(f"mexc_async/{self.file} has {self.old!r} {text.count(self.old)} times, not once")
        return text.replace(self.old, self.new)


MUTATIONS = (
    # The pure core and all that runs beside it
    Mutation(
        "limits/bucket.py",
        "missing = self.used + weight - self.budget",
        "missing = self.used + weight - self.budget - 1",
        "limits/test_queue.py",
        is_pure=True,
    ),
    Mutation(
        "limits/bucket.py",
        "back_at = counts_at + self.period_s",
        "back_at = counts_at + self.period_s / 2",
        "limits/test_queue.py",
        is_pure=True,
    ),
    Mutation(
        "limits/queue.py",
        "if bucket.claimed_by <= plan.priority or bucket.wait(weight, now) > 0:\n                return",
        "if bucket.claimed_by < plan.priority or bucket.wait(weight, now) > 0:\n                return",
        "limits/test_queue.py",
    ),
    Mutation(
        "limits/queue.py",
        "bucket.closed_until = max(bucket.closed_until, until)",
        "bucket.closed_until = until",
        "limits/test_queue.py limits/test_limiter.py",
    ),
    Mutation("schema/query.py", "if not value.is_finite():", "if value.is_nan():", "schema/test_query.py"),
    Mutation(
        "schema/query.py",
        'return format(number, "f") if "E" in text else text',
        "return text",
        "schema/test_query.py",
    ),
    Mutation(
        "rest/signing.py", "if len(secret) > _BLOCK else", "if len(secret) >= _BLOCK else", "rest/test_signing.py"
    ),
    Mutation("rest/retry.py", "attempt < self.after_429", "attempt <= self.after_429", "rest/test_retry.py"),
    Mutation("rest/retry.py", "return None if restamped else 0.0", "return 0.0", "rest/test_retry.py"),
    Mutation(
        "rest/symbol_rules.py",
        "elif age > MAX_AGE_S and",
        "elif age > 2 * MAX_AGE_S and",
        "rest/test_symbol_rules.py",
    ),
    Mutation("transport/http1.py", "if len(plain) > max_bytes:", "if not plain:", "transport/test_http1.py"),
    Mutation("transport/http1.py", "if not unpack.eof:", "if unpack.unused_data:", "transport/test_http1.py"),
    Mutation(
        "streams/session.py",
        "while self._waiting and len(self._sent) < MAX_MESSAGES:",
        "while self._waiting:",
        "streams/test_session.py",
    ),
    Mutation("streams/session.py", "if reply.code != 0:", "if reply.code < 0:", "streams/test_session.py"),
    Mutation(
        "books/sync.py",
        "if from_version > version + 1:\n            self.counts.gaps",
        "if from_version > version + 2:\n            self.counts.gaps",
        "books/test_sync.py",
    ),
    Mutation("books/sync.py", "if self._is_void or (queue and", "if (queue and", "books/test_sync.py"),
    Mutation(
        "orders/record.py",
        "if key in self._fills:\n            return changed",
        "if key in self._fills and not changed:\n            pass",
        "orders/test_record.py",
    ),
    Mutation(
        "orders/record.py",
        "self.accepted_until_ms = max(accepted_until_ms, self.accepted_until_ms or 0)",
        "self.accepted_until_ms = accepted_until_ms",
        "orders/test_record.py",
    ),
    Mutation(
        "orders/record.py",
        "return OrderState.PARTIALLY_CANCELED if filled else OrderState.CANCELED",
        "return OrderState.CANCELED",
        "orders/test_record.py",
    ),
    Mutation("accounts/transfers.py", "if new.total() > 1:", "if new.total() > 2:", "accounts/test_transfers.py"),
    Mutation("risk/pre_trade.py", "if after <= before:", "if after < before:", "risk/test_pre_trade.py"),
    Mutation(
        "risk/pre_trade.py", "now_s - self._sent[0] < 1.0", "now_s - self._sent[0] < 0.5", "risk/test_pre_trade.py"
    ),
    Mutation(
        "call_log/chain.py",
        "elif seq > self.last.seq + 1:",
        "elif seq > self.last.seq + 2:",
        "cli/test_calls.py call_log/test_chain.py",
    ),
    Mutation(
        "call_log/entries.py",
        '"***" if _SECRET.search(name) else value',
        "value",
        "call_log/test_entries.py call_log/test_log.py",
    ),
    Mutation(
        "keys/encryption.py",
        "if len(body) < _HEAD + _TAG or sha256(body).digest() != digest:",
        "if len(body) < _HEAD + _TAG:",
        "keys/test_key_file.py",
    ),
    Mutation("sim/exchange/order_checks.py", "if value < minimum:", "if value <= minimum:", "sim/rest/test_orders.py"),
    Mutation(
        "sim/exchange/matching.py",
        "price * self._sign >= limit * self._sign",
        "price * self._sign > limit * self._sign",
        "sim/exchange/test_matching.py",
    ),
    Mutation("cli/confirm.py", "if not sys.stdin.isatty():", "if sys.stdin.closed:", "cli/test_call.py"),
    # The compiled core
    Mutation(
        "limits/_limits.pxi",
        "counts_at = max(now, sent_at + self.longest_way_s)",
        "counts_at = now",
        "limits/test_gate.py",
    ),
    Mutation("limits/_limits.pxi", "                or bucket.closed_until > now\n", "", "limits/test_gate.py"),
    Mutation(
        "rest/_hmac.pxi",
        "memcpy(out + before + 1, PyUnicode_1BYTE_DATA(query), size)",
        "memcpy(out + before + 1, PyUnicode_1BYTE_DATA(query), size - 1)",
        "rest/test_signing.py native/test_compiled.py",
    ),
    Mutation("schema/_query.pxi", "0123456789_.~-", "0123456789_.~-+", "schema/test_query.py"),
    Mutation("schema/_wire.pxi", "at[4 + first] == 0x12 and", "size and", "native/test_compiled.py"),
    Mutation(
        "books/_side.pxi",
        "return first + (first->key < key);",
        "return first + (first->key <= key);",
        "books/test_book.py",
    ),
    Mutation("books/_side.pxi", "        if key < 1:\n", "        if key < 0:\n", "native/test_compiled.py"),
    Mutation("books/_number.pxi", "if at[i] != 46 or size == 1:", "if at[i] != 46:", "native/test_compiled.py"),
    Mutation(
        "transport/_lane.pxi",
        "(<Wire>idle[at - 1]).nearness > self.nearness",
        "(<Wire>idle[at - 1]).nearness < self.nearness",
        "transport/test_lane.py",
    ),
    Mutation(
        "transport/_lane.pxi",
        "return now - self.used_at < 1.0 and not self.transport.is_closing()",
        "return now - self.used_at < 1.0",
        "rest/test_express.py transport/test_lane.py orders/test_started.py",
    ),
    Mutation(
        "streams/_stream.pxi",
        "if subscribers is None or unknown or",
        "if subscribers is None or",
        "streams/test_streams.py streams/test_edge.py",
    ),
    Mutation(
        "rest/_order.pxi",
        "length < 0 or end - i - 2 != length",
        "length < 0 or end - i - 2 < length",
        "transport/test_http1.py transport/test_refusals.py",
    ),
)


class Copy:
    """A copy of the repository's files, with a compiled core if this one has it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in _git("ls-files", "--cached", "--others", "--exclude-standard").splitlines():
            if (ROOT / name).is_file():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, root / name)
        self._built = sorted((ROOT / "mexc_async" / "native").glob("_compiled.*.so"))
        self._restore_core()

    def _restore_core(self) -> None:
        for library in self._built:
            shutil.copy(library, self.root / library.relative_to(ROOT))

    def _build_core(self) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            code = (
                "import pathlib, shutil, sys; from hatch_build import compile_core; scratch, native = sys.argv[1:]; "
                "shutil.copy(compile_core(pathlib.Path.cwd(), pathlib.Path(scratch)), native)"
            )
            command = [sys.executable, "-c", code, scratch, str(self.root / "mexc_async" / "native")]
            subprocess.run(command, cwd=self.root, check=True, capture_output=True)

    def passes(self, tests: str, is_pure: bool) -> bool:
        """Run test files; True if all pass, False if a test fails. Raises RuntimeError if they cannot run."""
        names = [f"tests/{name}" for name in tests.split()]
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *names]
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **({"MEXC_ASYNC_PURE": "1"} if is_pure else {})}
        done = subprocess.run(command, cwd=self.root, env=environment, capture_output=True, text=True, check=False)
        if done.returncode not in (0, TESTS_FAILED, TESTS_NOT_COLLECTED):
            raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.returncode == 0

    def notices(self, mutation: Mutation) -> bool:
        """Put a fault in, run its tests, and take it out again."""
        path = self.root / "mexc_async" / mutation.file
        before = path.read_text(encoding="utf-8")
        path.write_text(mutation.text, encoding="utf-8")
        try:
            if path.suffix == ".pxi":
                self._build_core()
            return not self.passes(mutation.tests, mutation.is_pure)
        finally:
            path.write_text(before, encoding="utf-8")
            if path.suffix == ".pxi":
                self._restore_core()


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout


def _line(number: int, mutation: Mutation) -> str:
    return f"{number:2} {mutation.file}: {mutation.old.strip().splitlines()[0]}"


def main(arguments: list[str]) -> int:
    """Try the mutations that are named by number, all by default; return the exit status."""
    if arguments == ["--list"]:
        print(*(_line(number, each) for number, each in enumerate(MUTATIONS, 1)), sep="\n")
        return 0
    missed = 0
    with tempfile.TemporaryDirectory(prefix="mutations-") as folder:
        copy = Copy(Path(folder))
        passes = cache(copy.passes)
        for number in map(int, arguments or map(str, range(1, len(MUTATIONS) + 1))):
            mutation = MUTATIONS[number - 1]
            if not passes(mutation.tests, mutation.is_pure):
                verdict = "NOT TRIED: its tests fail without it"
            else:
                verdict = "noticed" if copy.notices(mutation) else "MISSED"
            missed += verdict != "noticed"
            print(f"{_line(number, mutation)}: {verdict}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
