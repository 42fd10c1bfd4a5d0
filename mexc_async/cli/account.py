"""`mexc-async balances`, `orders`, `cancel` and `transfer`: commands on the account of the API key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from mexc_async.cli.confirm import confirm, to_its_end
from mexc_async.cli.connection_options import AsJson, Rest, Sim, Symbol, Yes, connect
from mexc_async.cli.exit_status import carry_out, fail
from mexc_async.cli.output import show

if TYPE_CHECKING:
    from mexc_async.client.mexc import Mexc
    from mexc_async.schema.endpoint import Request

ORDER = (
    "symbol", "side", "type", "price", "quantity", "executed_quantity", "status", "order_id", "client_order_id",
    "orig_client_order_id", "time",
)  # fmt: skip


def balances(
    every: Annotated[bool, typer.Option("--all", help="Include zero balances.")] = False,
    json: AsJson = False,
    sim: Sim = False,
    rest: Rest = None,
) -> None:
    """Show the account's balances: free, and locked by open orders."""

    async def ask(mexc: Mexc) -> None:
        found = (await mexc.spot.account()).balances
        shown = [one for one in found if every or one.free or one.locked]
        show(shown, json, ("asset", "free", "locked"), "the account is empty: no balance is above zero")

    _with_key(rest, sim, ask)


def orders(
    symbol: Annotated[str | None, typer.Argument(help="A symbol, such as BTCUSDT; default: all.")] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Orders in any state of the last 24 hours; needs a symbol.")
    ] = False,
    json: AsJson = False,
    sim: Sim = False,
    rest: Rest = None,
) -> None:
    """Show open orders."""
    from mexc_async.errors import InvalidRequest
    from mexc_async.spot.trading import AllOrdersQuery, OpenOrdersQuery

    request: Request[Any]
    try:
        if every and symbol is None:
            raise InvalidRequest("--all needs a symbol: MEXC lists ended orders by symbol only")
        request = AllOrdersQuery(symbol=symbol or "") if every else OpenOrdersQuery(symbol=symbol)
    except InvalidRequest as error:
        fail(error)

    of = f" of {symbol}" if symbol else ""
    without = f"no order{of} in the last 24 hours" if every else f"no open order{of}"

    async def ask(mexc: Mexc) -> None:
        show(await mexc.send(request), json, ORDER, without)

    _with_key(rest, sim, ask)


def cancel(
    symbol: Symbol,
    order_id: Annotated[str | None, typer.Option(help="Order id of the exchange.")] = None,
    client_order_id: Annotated[str | None, typer.Option(help="Client order id.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every open order of the symbol.")] = False,
    yes: Yes = False,
    json: AsJson = False,
    sim: Sim = False,
    rest: Rest = None,
) -> None:
    """Cancel one order, or every open order of a symbol, and show the result. Safe to repeat."""
    from mexc_async.errors import InvalidRequest
    from mexc_async.spot.trading import CancelOpenOrders, CancelOrder

    request: Request[Any]
    try:
        if (order_id is not None) + (client_order_id is not None) + every != 1:
            raise InvalidRequest("give exactly one of --order-id, --client-order-id and --all")
        request = (
            CancelOpenOrders(symbol=symbol)
            if every
            else CancelOrder(symbol=symbol, order_id=order_id, orig_client_order_id=client_order_id)
        )
    except InvalidRequest as error:
        fail(error)

    what = f"cancel {'every open order' if every else f'order {order_id or client_order_id}'} of {symbol}"
    _act(rest, sim, yes, json, what, request)


def transfer(
    asset: Annotated[str, typer.Argument(help="An asset, such as USDT.")],
    amount: Annotated[str, typer.Argument(help="Amount of the asset.")],
    from_wallet: Annotated[str, typer.Option("--from", help="Source wallet: SPOT or FUTURES.")] = "SPOT",
    to_wallet: Annotated[str, typer.Option("--to", help="Target wallet: SPOT or FUTURES.")] = "SPOT",
    from_account: Annotated[str | None, typer.Option(help="Source sub-account; default: the main account.")] = None,
    to_account: Annotated[str | None, typer.Option(help="Target sub-account; default: the main account.")] = None,
    yes: Yes = False,
    json: AsJson = False,
    sim: Sim = False,
    rest: Rest = None,
) -> None:
    """Transfer between the account's wallets, or between the main account and its sub-accounts."""
    from mexc_async.cli.endpoints.flags import build
    from mexc_async.errors import InvalidRequest
    from mexc_async.spot.subaccounts import SubUniversalTransfer
    from mexc_async.spot.wallet import UniversalTransfer

    request: Request[Any]
    given = {"from_account_type": from_wallet, "to_account_type": to_wallet, "asset": asset, "amount": amount}
    accounts = {"from_account": from_account, "to_account": to_account}
    try:
        if from_account is None and to_account is None:
            request = build(UniversalTransfer, given)
        else:
            named = {name: account for name, account in accounts.items() if account is not None}
            request = build(SubUniversalTransfer, given | named)
    except InvalidRequest as error:
        fail(error)

    ends = (
        f"{wallet} of {account or 'the main account'}"
        for wallet, account in zip((from_wallet, to_wallet), accounts.values(), strict=True)
    )
    _act(rest, sim, yes, json, f"transfer {amount} {asset} from {' to '.join(ends)}", request)


def _act(rest: str | None, sim: bool, yes: bool, json: bool, what: str, request: Request[Any]) -> None:
    """Ask for confirmation, send the request, and print the answer."""

    async def ask(mexc: Mexc) -> None:
        show(await mexc.send(request), json, ORDER, "no order was open")

    async def act(mexc: Mexc) -> None:
        await to_its_end(mexc, ask(mexc))

    _with_key(rest, sim, act, (what, yes))


def _with_key(rest: str | None, sim: bool, work: Any, act: tuple[str, bool] | None = None) -> None:
    """Run `work` with a signed client. `act` is the change in words and --yes; None for a call that only reads."""
    from mexc_async.errors import ConfigError

    try:
        mexc = connect(rest, sim, signed=True, changes=act is not None)
    except ConfigError as error:
        fail(error)
    if act is not None:
        confirm(mexc, *act)
    carry_out(mexc, work)
