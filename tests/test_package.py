"""The package from outside: light to import, complete, and typed to the last parameter."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections import Counter
from importlib import metadata
from pathlib import Path

import pytest

import mexc_async

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "mexc_async"
HEAVY = ("aiohttp", "asyncio", "typer", "rich", "msgspec", "orjson", "uvloop", "ssl", "logging", "inspect", "decimal")


def run(code: str) -> str:
    """Return the output of a fresh interpreter, with nothing measured in it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_loads_nothing_heavy() -> None:
    code = "import sys; before = set(sys.modules); import mexc_async; print(*sorted(set(sys.modules) - before))"
    loaded = set(run(code).split())
    assert "mexc_async" in loaded
    assert not {name for name in loaded if name.startswith("mexc_async.")}
    assert not loaded & set(HEAVY)


def test_name_is_loaded_on_its_first_use() -> None:
    code = (
        "import sys, mexc_async\nmexc_async.InvalidRequest\nprint('aiohttp' in sys.modules, 'asyncio' in sys.modules)"
    )
    assert run(code).split() == ["False", "False"]
    assert run("from mexc_async import Mexc; print(Mexc.__name__)").strip() == "Mexc"


def names_for_type_checkers() -> list[str]:
    """Return the imports of the `TYPE_CHECKING` block."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return [alias.asname or alias.name for node in imports for alias in node.names]


def test_all_is_what_type_checkers_see() -> None:
    assert sorted(mexc_async.__all__) == sorted([*names_for_type_checkers(), "__version__"])
    assert len(set(mexc_async.__all__)) == len(mexc_async.__all__)


def test_type_checkers_see_each_name_from_the_module_that_it_is_loaded_from() -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.name: (node.module or "").removeprefix("mexc_async.")
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == mexc_async._MODULE_OF


@pytest.mark.parametrize("name", mexc_async.__all__)
def test_every_public_name_is_there(name: str) -> None:
    value = getattr(mexc_async, name)
    assert getattr(mexc_async, name) is value
    assert name in dir(mexc_async)


def test_every_error_class_is_public() -> None:
    from mexc_async import errors

    kinds = {n for n, v in vars(errors).items() if isinstance(v, type) and issubclass(v, errors.MexcError)}
    assert kinds <= set(mexc_async.__all__)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'mexc_async' has no attribute 'Mex'"):
        mexc_async.Mex  # noqa: B018 - asking for it is the point
    with pytest.raises(ImportError):
        exec("from mexc_async import Mex")
    assert not hasattr(mexc_async, "__path_to_nowhere__")


def test_version_is_that_of_the_distribution() -> None:
    assert mexc_async.__version__ == metadata.version("mexc-async")


def test_package_says_that_it_is_typed() -> None:
    assert (PACKAGE / "py.typed").is_file()


def test_endpoints_yields_every_declared_one_once() -> None:
    from mexc_async.schema.endpoint import Request
    from mexc_async.spot import (
        account,
        announcements,
        broker,
        market,
        rebates,
        subaccounts,
        trading,
        user_stream,
        wallet,
    )

    found = list(mexc_async.endpoints())
    for key in (Counter((e.method, e.path) for e in found), Counter((e.product, e.name) for e in found)):
        assert [entry for entry, times in key.items() if times > 1] == []
    declared = {
        value
        for module in (account, announcements, broker, market, rebates, subaccounts, trading, user_stream, wallet)
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Request) and hasattr(value, "route")
    }
    assert {endpoint.request for endpoint in found} == declared
    assert len(found) == 99
    assert all(endpoint.doc for endpoint in found)


SNIPPET = """
from decimal import Decimal

from mexc_async import Amount, Json, Mexc, NewOrder, Side


async def right(mexc: Mexc) -> None:
    reveal_type(await mexc.spot.depth(symbol="X"))
    reveal_type(await mexc.spot.ticker_price(symbol="X"))
    reveal_type(await mexc.spot.ticker_price())
    reveal_type(await mexc.spot.ticker_price(symbols="X,Y"))
    reveal_type(await mexc.spot.new_order(symbol="X", side="BUY", type="LIMIT", quantity=Decimal(1), price=Decimal(1)))
    reveal_type(await mexc.spot.new_order(symbol="X", side=Side.SELL, type="MARKET", quantity=Decimal(1)))
    reveal_type(NewOrder(symbol="X", side="BUY", type="LIMIT", quantity="0.001", price=60000).price)
    amount: Amount = "0.001"
    await mexc.orders.limit_buy("X", price=60000, quantity=amount)
    mexc.orders.limits(max_order_notional=500, max_daily_loss={"USDT": "20.5"}, collar="0.02")
    reveal_type(await mexc.spot.open_orders())
    reveal_type(await mexc.spot.trade_fee(symbol="X"))
    reveal_type(await mexc.send(NewOrder(symbol="X", side="BUY", type="MARKET", quantity=Decimal(1))))
    reveal_type(await mexc.using(timeout_s=2).spot.klines(symbol="X", interval="1m"))
    buy = mexc.spot.prepare(symbol="X", side="BUY", type="LIMIT")
    reveal_type(await buy.send(price=Decimal(1), quantity=Decimal(1)))
    reveal_type(await mexc.spot.presign([buy.order(price=Decimal(1), quantity=Decimal(1))]))
    reveal_type(await mexc.using(max_wait_s=0).orders.limit_buy("X", price=Decimal(1), quantity=Decimal(1)))
    reveal_type(await mexc.request("GET", "/api/v3/etf/info", {"symbol": "X"}))
    raw: Json = await mexc.using(raw=True).spot.depth(symbol="X")
    raw = await mexc.using(raw=True).spot.ticker_price(symbols="X,Y")
    raw = await mexc.using(raw=True).spot.prepare(symbol="X", side="BUY", type="MARKET").send(quantity=Decimal(1))
    raw = await mexc.using(raw=True).send(NewOrder(symbol="X", side="BUY", type="MARKET", quantity=Decimal(1)))


async def wrong(mexc: Mexc) -> None:
    await mexc.spot.depth(symbol=5)
    await mexc.spot.depth(symbl="X")
    await mexc.spot.depth("X")
    await mexc.spot.depth()
    await mexc.spot.klines(symbol="X", interval="1h")
    await mexc.spot.new_order(symbol="X", side="buy", type="LIMIT")
    await mexc.spot.new_order(symbol="X", side="BUY", type="LIMIT", quantity=1.5, price=Decimal(1))
    await mexc.spot.new_order(symbol="X", side="BUY", type="STOP_LIMIT_ORDER", price=Decimal(1))
    await mexc.orders.limit_buy("X", price=1.5, quantity="1")
    mexc.orders.limits(collar=0.02)
    await mexc.spot.nothing()
    await mexc.spot.ticker_price(symbol="X", symbols="X,Y")
    await mexc.spot.book_ticker(symbols="X,Y")
    await mexc.using(raw=True).spot.depth(symbl="X")
    (await mexc.using(raw=True).spot.depth(symbol="X")).bids
    (await mexc.spot.depth(symbol="X")).bid
    (await mexc.using(raw=True).spot.prepare(symbol="X", side="BUY", type="MARKET").send()).order_id
    mexc.using(raw=True).orders
"""
REVEALED = [
    "mexc_async.spot.models.Depth",
    "mexc_async.spot.models.PriceTicker",
    "list[mexc_async.spot.models.PriceTicker]",
    "list[mexc_async.spot.models.PriceTicker]",
    "mexc_async.spot.models.OrderAck",
    "mexc_async.spot.models.OrderAck",
    "decimal.Decimal | None",
    "list[mexc_async.spot.models.Order]",
    "mexc_async.spot.models.Wrapped[mexc_async.spot.account.TradeFee]",
    "mexc_async.spot.models.OrderAck",
    "list[mexc_async.spot.models.Kline]",
    "mexc_async.spot.models.OrderAck",
    "list[mexc_async.spot.prepared.PresignedOrder[mexc_async.spot.models.OrderAck]]",
    "mexc_async.orders.handle.TrackedOrder",
    None,  # Json, a recursive union that mypy prints at length
]


def test_type_checker_sees_exact_signatures_and_results(tmp_path: Path) -> None:
    snippet = tmp_path / "typed_snippet.py"
    snippet.write_text(SNIPPET, encoding="utf-8")
    options = ["--strict", "--no-error-summary", "--hide-error-context", "--no-pretty"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    command = [sys.executable, "-m", "mypy", *options, str(snippet)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.stderr == ""
    lines = re.findall(r"typed_snippet\.py:(\d+): (error|note): (.*)", done.stdout)
    revealed = [text.split('"')[1] for _, kind, text in lines if kind == "note" and "Revealed type" in text]
    assert len(revealed) == len(REVEALED)
    for seen, expected in zip(revealed, REVEALED, strict=True):
        assert expected is None or seen == expected
    source = SNIPPET.splitlines()
    wrong = set(range(source.index("async def wrong(mexc: Mexc) -> None:") + 2, len(source) + 1))
    assert {int(number) for number, kind, _ in lines if kind == "error"} == wrong, done.stdout
