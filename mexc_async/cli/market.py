"""`mexc-async ticker`, `book` and `trades`: public market data, without a key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from mexc_async.cli.connection_options import AsJson, Rest, Sim, Symbol, connect
from mexc_async.cli.exit_status import carry_out, fail
from mexc_async.cli.output import show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mexc_async.client.mexc import Mexc
    from mexc_async.schema.endpoint import Request

TICKER = (
    "symbol", "last_price", "price_change_percent", "bid_price", "ask_price", "high_price", "low_price", "volume",
    "quote_volume",
)  # fmt: skip
TRADE = ("time", "price", "quantity", "quote_quantity", "trade_type")


def ticker(
    symbol: Annotated[str | None, typer.Argument(help="A symbol, such as BTCUSDT; default: all.")] = None,
    json: AsJson = False,
    sim: Sim = False,
    rest: Rest = None,
) -> None:
    """Show 24-hour statistics of a symbol, or of all: prices, volumes, and the change as a ratio."""
    from mexc_async.spot.market import Ticker24hQuery

    _ask(Ticker24hQuery, {"symbol": symbol}, json, sim, rest, TICKER)


def book(
    symbol: Symbol,
    limit: Annotated[int, typer.Option(help="Levels per side, 1 to 5000.")] = 10,
    json: AsJson = False,
    sim: Sim = False,
    rest: Rest = None,
) -> None:
    """Show a snapshot of a symbol's order book, best prices first."""
    from mexc_async.spot.market import DepthQuery

    _ask(DepthQuery, {"symbol": symbol, "limit": limit}, json, sim, rest)


def trades(
    symbol: Symbol,
    limit: Annotated[int, typer.Option(help="Number of trades, 1 to 1000.")] = 20,
    json: AsJson = False,
    sim: Sim = False,
    rest: Rest = None,
) -> None:
    """Show a symbol's latest public trades, newest first; BID where the taker bought."""
    from mexc_async.spot.market import TradesQuery

    _ask(TradesQuery, {"symbol": symbol, "limit": limit}, json, sim, rest, TRADE)


def _ask(
    kind: type[Request[Any]],
    parameters: dict[str, object],
    json: bool,
    sim: bool,
    rest: str | None,
    columns: Sequence[str] | None = None,
) -> None:
    """Send one public request and print the answer."""
    from mexc_async.errors import ConfigError, InvalidRequest

    async def ask(mexc: Mexc) -> None:
        show(await mexc.send(request), json, columns)

    try:
        request = kind(**parameters)
        mexc = connect(rest, sim)
    except (ConfigError, InvalidRequest) as error:
        fail(error)
    carry_out(mexc, ask)
