"""Fixtures of all tests."""

from __future__ import annotations

from tests.support.mocked import _no_proxies, mocked

__all__ = ["_no_proxies", "mocked"]
