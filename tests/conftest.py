"""Fixtures of all tests."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator

import pytest

from tests.support.mocked import _no_proxies, mocked

__all__ = ["_no_proxies", "mocked"]

# No test meets a public certificate, and reading the system's authorities slows the start of every child process.
os.environ.setdefault("SSL_CERT_FILE", os.devnull)


def pytest_collection_finish() -> None:
    """Leave what the collection of the tests has made, which stays, out of every later search for garbage."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_counts() -> Iterator[None]:
    """Restore SIGINT for the tests' child processes, since a shell's `&` makes pytest ignore it."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
