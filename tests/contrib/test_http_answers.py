"""HTTP answers to each error."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from mexc_async import errors
from mexc_async.contrib.http_answers import STATUSES, body_of, headers_of, status_of
from mexc_async.errors import (
    ConfigError,
    InvalidSymbol,
    IpBanned,
    IpNotAllowed,
    MexcError,
    MissingCredentials,
    OutcomeUnknown,
    RateLimited,
    SignatureRejected,
)
from tests.support.documents import ROOT


def classes(cls: type[MexcError] = MexcError) -> Iterator[type[MexcError]]:
    for below in cls.__subclasses__():
        if below.__module__ == errors.__name__:
            yield below
            yield from classes(below)


@pytest.mark.parametrize("cls", list(dict.fromkeys(classes())))
def test_every_error_has_a_status_of_its_own_or_of_its_family(cls: type[MexcError]) -> None:
    assert any(parent in STATUSES for parent in cls.__mro__), f"{cls.__name__} is in no family of the table"
    assert 400 <= status_of(cls("no")) < 600


@pytest.mark.parametrize(("cls", "status"), [(InvalidSymbol, 422), (IpNotAllowed, 403), (IpBanned, 429)])
def test_a_class_that_is_not_listed_has_the_status_of_its_family(cls: type[MexcError], status: int) -> None:
    assert status_of(cls("no")) == status


@pytest.mark.parametrize(("seconds", "header"), [(2.1, "3"), (0.001, "1"), (None, "1"), (60.0, "60")])
def test_retry_after_is_in_whole_seconds(seconds: float | None, header: str) -> None:
    assert headers_of(RateLimited("full", retry_after_s=seconds)) == {"Retry-After": header}


def test_there_is_no_retry_after_where_asking_again_does_not_help() -> None:
    assert headers_of(SignatureRejected("no", retry_after_s=5.0)) == {}


def test_an_order_that_is_still_looked_for_is_accepted() -> None:
    order = OutcomeUnknown("no answer", client_order_id="mine")
    assert status_of(order) == 504  # a cancel, which needs no look-up
    order.accepted_until_ms = 1
    assert status_of(order) == 202
    assert body_of(order).client_order_id == "mine"
    assert not body_of(order).outcome_known


@pytest.mark.parametrize(
    ("path", "client_order_id", "status"),
    [
        ("/api/v3/order", "mine", 202),
        ("/api/v3/batchOrders", "mine,yours", 202),
        ("/api/v3/order", None, 504),  # by `mexc.request`, which tracks no order
        ("/api/v3/capital/transfer", None, 504),
        ("/api/v3/capital/withdraw", "mine", 504),
    ],
)
def test_only_an_order_is_still_looked_for(path: str, client_order_id: str | None, status: int) -> None:
    error = OutcomeUnknown("no answer", method="POST", path=path, client_order_id=client_order_id)
    error.accepted_until_ms = 1
    assert status_of(error) == status


def test_page_names_the_status_of_each_class() -> None:
    page = (ROOT / "docs" / "web.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (\d{3}) \| (.+) \|$", page, re.M))
    assert [cls.__name__ for cls, status in STATUSES.items() if f"`{cls.__name__}`" not in rows[str(status)]] == []


@pytest.mark.parametrize("cls", [ConfigError, MissingCredentials, SignatureRejected])
def test_how_the_service_is_set_up_is_its_own_affair(cls: type[MexcError]) -> None:
    body = body_of(cls("proxy http://user:password@host is down", code=700002))
    assert "password" not in repr(body)
    assert body.code is None
    assert not body.retryable
