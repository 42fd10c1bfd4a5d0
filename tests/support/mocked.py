"""Shim that lets aioresponses 0.7 serve aiohttp 3.14, with proxies off."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import pytest
from aiohttp import ClientResponse
from aioresponses import aioresponses


class _Response(ClientResponse):
    """Response with the `stream_writer` that aiohttp requires since 3.14 and aioresponses 0.7.9 does not pass."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "stream_writer" in inspect.signature(ClientResponse.__init__).parameters:
            kwargs.setdefault("stream_writer", Mock())
        super().__init__(*args, **kwargs)


class Mocked(aioresponses):
    """`aioresponses` that answers with the class above."""

    def add(self, url: Any, *args: Any, **kwargs: Any) -> None:
        super().add(url, *args, **{**kwargs, "response_class": _Response})


@pytest.fixture
def mocked() -> Iterator[Mocked]:
    mock = Mocked()
    with mock:
        yield mock


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
