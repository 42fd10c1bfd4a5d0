"""A small trading service with aiohttp: balances, and orders with idempotency keys.

    python examples/aiohttp_service.py                                        # on a simulated exchange of its own
    MEXC_API_KEY=... MEXC_API_SECRET=... python examples/aiohttp_service.py --live

    curl http://127.0.0.1:8000/balances
    curl -X POST http://127.0.0.1:8000/orders -H 'Idempotency-Key: my-first' \
        -d '{"symbol": "BTCUSDT", "side": "BUY", "quantity": "0.001", "price": "20000"}'
    curl -X DELETE http://127.0.0.1:8000/orders/BTCUSDT/my-first

It has no authentication and listens on this machine only: put your own authentication in front of it.
"""

from __future__ import annotations

import argparse
from decimal import Decimal
from typing import Literal

import msgspec
from aiohttp import web

from mexc_async import InvalidRequest, Mexc, NewOrder
from mexc_async.contrib.aiohttp_web import answer, mexc_of, orders_of, use_mexc
from mexc_async.contrib.keyed_orders import OrderAnswer

routes = web.RouteTableDef()


class OrderRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Body of an order request; without a price the order is a MARKET order."""

    symbol: str
    side: Literal["BUY", "SELL"]
    quantity: Decimal
    price: Decimal | None = None


@routes.get("/balances")
async def balances(request: web.Request) -> web.Response:
    """Return the account's balances by asset: the live view needs no call to the exchange."""
    return answer(await mexc_of(request).balances.current())


@routes.post("/orders")
async def place(request: web.Request) -> web.Response:
    """Place an order; the same key again returns the same order."""
    try:
        wanted = msgspec.json.decode(await request.read(), type=OrderRequest)
    except msgspec.MsgspecError as error:
        raise InvalidRequest(f"the body is not an order: {error}") from None
    order = NewOrder(
        symbol=wanted.symbol,
        side=wanted.side,
        type="MARKET" if wanted.price is None else "LIMIT",
        quantity=wanted.quantity,
        price=wanted.price,
    )
    key = request.headers.get("Idempotency-Key", "")
    return answer(OrderAnswer.of(await orders_of(request).place(key, order)), 201)


@routes.get("/orders/{symbol}/{key}")
async def look(request: web.Request) -> web.Response:
    """Return an order's state."""
    found = await orders_of(request).find(request.match_info["key"], request.match_info["symbol"])
    return answer(OrderAnswer.of(found))


@routes.delete("/orders/{symbol}/{key}")
async def cancel(request: web.Request) -> web.Response:
    """Cancel an order; if it has ended already, return its final state."""
    found = await orders_of(request).find(request.match_info["key"], request.match_info["symbol"])
    return answer(OrderAnswer.of(await found.cancel()))


def main() -> None:
    """Read the command line and serve until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(description="A trading service with aiohttp.")
    parser.add_argument("--live", action="store_true", help="trade on MEXC with the key in the environment")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    app = web.Application()
    app.add_routes(routes)
    use_mexc(app, Mexc.from_env if options.live else Mexc.sim)
    web.run_app(app, host="127.0.0.1", port=options.port, shutdown_timeout=20)


if __name__ == "__main__":
    main()
