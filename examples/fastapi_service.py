"""A small trading service with FastAPI: balances, and orders with idempotency keys.

    python examples/fastapi_service.py                                        # on a simulated exchange of its own
    MEXC_API_KEY=... MEXC_API_SECRET=... python examples/fastapi_service.py --live

    curl http://127.0.0.1:8000/balances
    curl -X POST http://127.0.0.1:8000/orders -H 'Idempotency-Key: my-first' -H 'Content-Type: application/json' \
        -d '{"symbol": "BTCUSDT", "side": "BUY", "quantity": "0.001", "price": "20000"}'
    curl -X DELETE http://127.0.0.1:8000/orders/BTCUSDT/my-first

It has no authentication and listens on this machine only: put your own authentication in front of it.
"""

from __future__ import annotations

import argparse
from decimal import Decimal
from typing import Annotated, Literal

import uvicorn
from fastapi import FastAPI, Header, Response
from pydantic import BaseModel

from mexc_async import Balance, Mexc, NewOrder
from mexc_async.contrib.fastapi import FAILURES, Client, Orders, answer, use_mexc
from mexc_async.contrib.keyed_orders import OrderAnswer
from mexc_async.contrib.response_models import model_of

app = FastAPI(title="Orders on MEXC", responses=FAILURES)


class OrderRequest(BaseModel):
    """Body of an order request; without a price the order is a MARKET order."""

    symbol: str
    side: Literal["BUY", "SELL"]
    quantity: Decimal
    price: Decimal | None = None


@app.get("/balances", response_model=model_of(dict[str, Balance]))
async def balances(mexc: Client) -> Response:
    """Return the account's balances by asset: the live view needs no call to the exchange."""
    return answer(await mexc.balances.current())


@app.post("/orders", status_code=201, response_model=model_of(OrderAnswer))
async def place(wanted: OrderRequest, orders: Orders, idempotency_key: Annotated[str, Header()]) -> Response:
    """Place an order; the same key again returns the same order."""
    order = NewOrder(
        symbol=wanted.symbol,
        side=wanted.side,
        type="MARKET" if wanted.price is None else "LIMIT",
        quantity=wanted.quantity,
        price=wanted.price,
    )
    return answer(OrderAnswer.of(await orders.place(idempotency_key, order)), 201)


@app.get("/orders/{symbol}/{key}", response_model=model_of(OrderAnswer))
async def look(symbol: str, key: str, orders: Orders) -> Response:
    """Return an order's state."""
    return answer(OrderAnswer.of(await orders.find(key, symbol)))


@app.delete("/orders/{symbol}/{key}", response_model=model_of(OrderAnswer))
async def cancel(symbol: str, key: str, orders: Orders) -> Response:
    """Cancel an order; if it has ended already, return its final state."""
    return answer(OrderAnswer.of(await (await orders.find(key, symbol)).cancel()))


def main() -> None:
    """Read the command line and serve until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(description="A trading service with FastAPI.")
    parser.add_argument("--live", action="store_true", help="trade on MEXC with the key in the environment")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    use_mexc(app, Mexc.from_env if options.live else Mexc.sim)
    uvicorn.run(app, host="127.0.0.1", port=options.port, timeout_graceful_shutdown=20)


if __name__ == "__main__":
    main()
