"""`mexc.request`: no spelling of a path bypasses the guard, a halt, read-only or withdrawals off."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from mexc_async.client.catalogue import endpoints
from mexc_async.errors import InvalidRequest, MexcError, OrderNotFound, ReadOnlyError, WithdrawalsOff
from tests.support.fake_transport import ORDER, FakeClient, fake_client

WITHDRAW = "/api/v3/capital/withdraw"
PLACING = [ORDER, "/api/v3/order/place", "/api/v3/batchOrders"]
SENDING_AWAY = [WITHDRAW, "/api/v3/capital/withdraw/apply", "/api/v3/capital/transfer/internal"]

REFUSED: dict[str, Callable[[str], Any]] = {
    "slash at the end": lambda path: f"{path}/",
    "slashes at the end": lambda path: f"{path}//",
    "two slashes first": lambda path: f"/{path}",
    "two slashes inside": lambda path: path.replace("/v3/", "/v3//"),
    "two slashes before the last": lambda path: "//".join(path.rsplit("/", 1)),
    "parent": lambda path: path.replace("/v3/", "/v3/x/../"),
    "parent first": lambda path: f"/x/..{path}",
    "parent last": lambda path: f"{path}/x/..",
    "own folder": lambda path: path.replace("/v3/", "/v3/./"),
    "own folder last": lambda path: f"{path}/.",
    "escaped letter": lambda path: path.replace("/v3/", "/v3/%6") if "order" in path else f"{path[:-1]}%77",
    "escaped slash": lambda path: path.replace("/v3/", "/v3%2F"),
    "escaped parent": lambda path: path.replace("/v3/", "/v3/x/%2e%2E/"),
    "escaped twice": lambda path: path.replace("/v3/", "/v3%252F"),
    "escaped end": lambda path: f"{path}%00",
    "backslash": lambda path: path.replace("/v3/", "\\v3\\"),
    "backslash at the end": lambda path: f"{path}\\",
    "parameters of the path": lambda path: f"{path};x=1",
    "empty parameters of the path": lambda path: path.replace("/v3/", "/v3;/"),
    "query": lambda path: f"{path}?symbol=BTCUSDT",
    "empty query": lambda path: f"{path}?",
    "fragment": lambda path: f"{path}#x",
    "no slash first": lambda path: path[1:],
    "full URL": lambda path: f"https://api.mexc.com{path}",
    "host": lambda path: f"//api.mexc.com{path}",
    "login": lambda path: f"@api.mexc.com{path}",
    "space at the end": lambda path: f"{path} ",
    "space first": lambda path: f" {path}",
    "line end": lambda path: f"{path}\n",
    "second line": lambda path: f"{path} HTTP/1.1\r\nX: y",
    "tab": lambda path: path.replace("/v3/", "/v3/\t"),
    "nothing at the end": lambda path: f"{path}\0",
    "full width letter": lambda path: path.replace("a", "\uff41"),
    "long s": lambda path: path.replace("s", "\u017f") if "s" in path else f"{path}\u017f",
    "Kelvin sign": lambda path: f"{path}\u212a",
    "full width slash": lambda path: path.replace("/v3/", "/v3\uff0f"),
    "invisible letter": lambda path: f"{path}\u200b",
    "star": lambda path: f"{path}*",
    "plus": lambda path: path.replace("/v3/", "/v3/+"),
    "empty": lambda path: "",
    "root": lambda path: "/",
    "bytes": lambda path: path.encode(),
    "none": lambda path: None,
}
SAME: dict[str, Callable[[str], str]] = {
    "as declared": lambda path: path,
    "upper case": str.upper,
    "lower case": str.lower,
    "other case": str.swapcase,
    "one letter": lambda path: path[:-1] + path[-1].upper(),
}
METHODS = ["post", "Post", " POST", "POST ", "POST\r\n", "PATCH", "HEAD", "OPTIONS", "", "POST /x", None, b"POST"]


@asynccontextmanager
async def switched(switch: str, paths: str) -> AsyncIterator[FakeClient]:
    """A client with one of the switches set."""
    settings: dict[str, Any] = {"read_only": switch == "read_only", "allow_withdraw": switch != "allow_withdraw"}
    async with fake_client(guide_paths=paths == "guide", **settings) as d:
        if switch == "guard":
            d.view.orders.limits(max_open_orders=1)
        elif switch == "halt":
            d.view.orders.halt("enough")
        yield d
        assert not d.transport.sent


SWITCHES: list[tuple[str, list[str], type[MexcError], str]] = [
    ("guard", PLACING, InvalidRequest, "would bypass the guard"),
    ("halt", PLACING, InvalidRequest, "would bypass the guard"),
    ("read_only", [*PLACING, *SENDING_AWAY], ReadOnlyError, "read-only"),
    ("allow_withdraw", SENDING_AWAY, WithdrawalsOff, "allow_withdraw=True"),
]


@pytest.mark.parametrize("paths", ["default", "guide"])
@pytest.mark.parametrize(("switch", "targets", "error", "words"), SWITCHES)
async def test_no_spelling_of_a_path_passes_a_switch(
    switch: str, targets: list[str], error: type[MexcError], words: str, paths: str
) -> None:
    async with switched(switch, paths) as d:
        for target in targets:
            for spell in SAME.values():
                with pytest.raises(error, match=words):
                    await d.view.request("POST", spell(target), signed=True)
            for name, other in REFUSED.items():
                path = other(target)
                with pytest.raises(InvalidRequest) as refused:
                    await d.view.request("POST", path, signed=True)
                message = refused.value.message
                assert message.startswith(f"path {path!r} must be a plain path"), name
                assert "\n" not in message, name
            for method in METHODS:
                with pytest.raises(InvalidRequest, match="method"):
                    await d.view.request(method, target, signed=True)  # type: ignore[arg-type]  # as untyped callers do


@pytest.mark.parametrize("spell", SAME.values(), ids=SAME)
async def test_a_declared_path_is_sent_as_it_is_declared(spell: Callable[[str], str]) -> None:
    async with fake_client(allow_withdraw=True) as d:
        for one in endpoints():
            with suppress(OrderNotFound):  # the transport's answer to one of them
                await d.view.request(one.method, spell(one.path), signed=True, weight=0)
            assert (d.transport.sent[-1].method, d.transport.sent[-1].path) == (one.method, one.path)


@pytest.mark.parametrize("path", ["/api/v3/New-Path_1.2~x", "/sim/gap", "/a..b", "/...", "/.well-known/x"])
async def test_a_plain_path_that_is_not_declared_is_sent_as_it_is_written(path: str) -> None:
    async with fake_client() as d:
        await d.view.request("GET", path)
        assert d.transport.sent[-1].target == path


async def test_paths_are_open_again_when_trading_resumes() -> None:
    async with fake_client() as d:
        d.view.orders.halt("enough")
        d.view.orders.resume()
        await d.view.request("POST", ORDER, signed=True)
        d.view.orders.limits(max_open_orders=1)
        d.view.orders.halt("enough")
        d.view.orders.resume()
        with pytest.raises(InvalidRequest, match="would bypass the guard"):
            await d.view.request("POST", ORDER, signed=True)
