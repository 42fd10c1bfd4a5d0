"""Sample calls of all endpoints on a simulated exchange: the parameters, and the objects that they need first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from decimal import Decimal
from itertools import count
from typing import Any, TypeAlias

from mexc_async.client.mexc import Mexc
from mexc_async.errors import ApiError, MexcError
from mexc_async.rest.credentials import Credentials
from mexc_async.rest.events import OddItems
from mexc_async.schema.endpoint import Endpoint
from mexc_async.sim.exchange.accounts import DEFAULT_BALANCES, AccountSpec
from mexc_async.sim.rest.server import SimConfig, Simulator, main_account
from mexc_async.spot.trading import NewOrder

Parameters: TypeAlias = dict[str, Any]

SYMBOL = "XRPUSDT"
RESTING: Parameters = {
    "symbol": SYMBOL,
    "side": "BUY",
    "type": "LIMIT",
    "quantity": Decimal(10),
    "price": Decimal("0.5900"),
}
"""An order that rests below the simulator's initial market."""
_TO_FUTURES: Parameters = {"from_account_type": "SPOT", "to_account_type": "FUTURES"}
_TO_SPOT: Parameters = {"from_account_type": "SPOT", "to_account_type": "SPOT"}
_ONE: Parameters = {"asset": "USDT", "amount": Decimal(1)}
_KEY: Parameters = {"note": "sample", "permissions": "SPOT_ACCOUNT_READ", "ip": "127.0.0.1"}

_PLAIN: dict[str, Parameters] = {
    "exchange_info": {"symbols": f"BTCUSDT,{SYMBOL}"},
    "depth": {"symbol": SYMBOL, "limit": 5},
    "klines": {"symbol": SYMBOL, "interval": "1m", "limit": 5},
    **{name: {"symbol": SYMBOL} for name in ("trades", "historical_trades", "agg_trades", "avg_price")},
    **{name: {"symbol": SYMBOL} for name in ("ticker_24hr", "trade_fee")},
    "test_order": RESTING,
    "new_order": RESTING,
    "batch_orders": {"orders": [NewOrder(**RESTING), NewOrder(**RESTING)]},
    "set_mx_deduct": {"mx_deduct_enable": True},
    "generate_deposit_address": {"coin": "USDT", "network": "TRC20"},
    "universal_transfer": _TO_FUTURES | _ONE,
    "universal_transfer_history": _TO_FUTURES,
    "sub_universal_transfer_history": _TO_SPOT,
    "internal_transfer": {"to_account_type": "EMAIL", "to_account": "friend@sim.example", **_ONE},
    "convert_dust": {"asset": "ADA"},
    "broker_generate_deposit_address": {"coin": "USDT", "network": "TRC20"},
}
"""Fixed parameters by endpoint; endpoints in neither table take none."""


class EndpointSamples:
    """Parameters for sample calls; creates the objects that they need, through the client."""

    def __init__(self, mexc: Mexc, api_key: str) -> None:
        self.spot = mexc.spot
        self._api_key = api_key
        self._names = count(1)

    async def parameters(self, name: str) -> Parameters:
        """Return an endpoint's parameters. Raises MexcError if an object that it needs cannot be created."""
        prepare = _PREPARED.get(name)
        return _PLAIN.get(name, {}) if prepare is None else await prepare(self)

    def _name(self) -> str:
        return f"sample{next(self._names):06d}"

    async def order(self) -> Parameters:
        """Place a resting order."""
        return {"symbol": SYMBOL, "order_id": (await self.spot.new_order(**RESTING)).order_id}

    async def open_orders(self) -> Parameters:
        """Place an order, to query without a symbol."""
        await self.order()
        return {}

    async def orders(self) -> Parameters:
        """Place an order, to query by symbol."""
        await self.order()
        return {"symbol": SYMBOL}

    async def fill(self) -> Parameters:
        """Fill an order at the market."""
        await self.spot.new_order(symbol=SYMBOL, side="BUY", type="MARKET", quantity=Decimal(10))
        return {"symbol": SYMBOL}

    async def new_group(self) -> Parameters:
        """Name a new self-trade-prevention group."""
        return {"trade_group_name": self._name()}

    async def group(self) -> Parameters:
        """Create a self-trade-prevention group, or reuse it: an account may have ten at most."""
        with suppress(ApiError):  # it exists
            await self.spot.create_stp_group(trade_group_name="sample")
        return {"trade_group_name": "sample"}

    async def group_id(self) -> Parameters:
        """Return the group's id."""
        found = await self.spot.get_stp_group(**await self.group())
        return {"trade_group_id": found.data[0].trade_group_id}

    async def member(self) -> Parameters:
        """Return the group's id and an account to add."""
        return {**await self.group_id(), "uid": (await self.spot.uid()).uid}

    async def own_key(self) -> Parameters:
        """Return the client's own key."""
        return {"access_key": self._api_key}

    async def own_key_settings(self) -> Parameters:
        """Return the client's own key with an IP list."""
        return {"api_key": self._api_key, "ip_white_list": "127.0.0.1,::1", "note": "sample"}

    async def listen_key(self) -> Parameters:
        """Create a listen key."""
        return {"listen_key": (await self.spot.create_listen_key()).listen_key}

    async def new_sub(self) -> Parameters:
        """Name a new sub-account."""
        return {"sub_account": self._name(), "note": "sample"}

    async def sub(self) -> Parameters:
        """Create a sub-account, or reuse it."""
        name = "sample00sub"
        with suppress(ApiError):  # it exists
            await self.spot.create_sub_account(sub_account=name, note="sample")
        return {"sub_account": name}

    async def sub_key(self) -> Parameters:
        """Return the settings of a new key of the sub-account."""
        return {**await self.sub(), **_KEY}

    async def made_sub_key(self) -> Parameters:
        """Create a key of the sub-account."""
        key = await self.spot.create_sub_account_api_key(**await self.sub_key())
        return {**await self.sub(), "api_key": key.api_key}

    async def sub_balances(self) -> Parameters:
        """Return the sub-account and its spot wallet."""
        return {**await self.sub(), "account_type": "SPOT"}

    async def to_sub(self) -> Parameters:
        """Return a transfer to the sub-account."""
        return {**_TO_SPOT, **_ONE, "to_account": (await self.sub())["sub_account"]}

    async def withdrawal(self) -> Parameters:
        """Return a withdrawal to an address of the address book, on a chain without memo."""
        entry = (await self.spot.withdraw_address(coin="USDT")).data[0]
        return {"coin": "USDT", "net_work": entry.net_work, "address": entry.address, "amount": Decimal(30)}

    async def withdrawal_by_label(self) -> Parameters:
        """Return the same withdrawal with the chain's long label."""
        entry = (await self.spot.withdraw_address(coin="USDT")).data[0]
        return {"coin": "USDT", "network": entry.network, "address": entry.address, "amount": Decimal(30)}

    async def waiting_withdrawal(self) -> Parameters:
        """Withdraw, to cancel it afterwards."""
        return {"id": (await self.spot.withdraw(**await self.withdrawal())).id}

    async def withdrawals(self) -> Parameters:
        """Withdraw, to list it without a currency."""
        await self.waiting_withdrawal()
        return {}

    async def deposit_address(self) -> Parameters:
        """Create a deposit address, and return its currency."""
        await self.spot.generate_deposit_address(**_PLAIN["generate_deposit_address"])
        return {"coin": "USDT"}

    async def made_transfer(self) -> Parameters:
        """Transfer, and return the transfer's id."""
        return {"tran_id": (await self.spot.universal_transfer(**_TO_FUTURES, **_ONE)).tran_id}

    async def made_transfer_record(self) -> Parameters:
        """Transfer, and return the transfer's id under the API's second name."""
        return {"transact_id": (await self.made_transfer())["tran_id"]}

    async def broker_sub(self) -> Parameters:
        """Create a broker's sub-account, or reuse it."""
        name = "sample0broker"
        with suppress(ApiError):  # it exists
            await self.spot.broker_create_sub_account(sub_account=name, note="sample")
        return {"sub_account": name}

    async def broker_key(self) -> Parameters:
        """Return the settings of a new key of the broker's sub-account."""
        return {**await self.broker_sub(), **_KEY}

    async def made_broker_key(self) -> Parameters:
        """Create a key of the broker's sub-account."""
        key = await self.spot.broker_create_api_key(**await self.broker_key())
        return {**await self.broker_sub(), "api_key": key.api_key}

    async def broker_deposit_address(self) -> Parameters:
        """Create a broker's deposit address, and return its currency."""
        await self.spot.broker_generate_deposit_address(**_PLAIN["broker_generate_deposit_address"])
        return {"coin": "USDT"}

    async def broker_transfers(self) -> Parameters:
        """Transfer to the broker's sub-account, to list it."""
        wanted = await self.to_broker_sub()
        await self.spot.broker_universal_transfer(**wanted)
        return {name: wanted[name] for name in (*_TO_SPOT, "to_account")}

    async def to_broker_sub(self) -> Parameters:
        """Return a transfer to the broker's sub-account."""
        return {**_TO_SPOT, **_ONE, "to_account": (await self.broker_sub())["sub_account"]}


_PREPARED: dict[str, Callable[[EndpointSamples], Awaitable[Parameters]]] = {
    "cancel_order": EndpointSamples.order,
    "query_order": EndpointSamples.order,
    "open_orders": EndpointSamples.open_orders,
    "cancel_open_orders": EndpointSamples.orders,
    "all_orders": EndpointSamples.orders,
    "my_trades": EndpointSamples.fill,
    "create_stp_group": EndpointSamples.new_group,
    "get_stp_group": EndpointSamples.group,
    "delete_stp_group": EndpointSamples.group_id,
    "add_stp_group_uid": EndpointSamples.member,
    "delete_stp_group_uid": EndpointSamples.member,
    "api_key_info": EndpointSamples.own_key,
    "set_api_key_info": EndpointSamples.own_key_settings,
    "keepalive_listen_key": EndpointSamples.listen_key,
    "close_listen_key": EndpointSamples.listen_key,
    "create_sub_account": EndpointSamples.new_sub,
    "create_sub_account_api_key": EndpointSamples.sub_key,
    "list_sub_account_api_keys": EndpointSamples.sub,
    "delete_sub_account_api_key": EndpointSamples.made_sub_key,
    "sub_universal_transfer": EndpointSamples.to_sub,
    "sub_account_asset": EndpointSamples.sub_balances,
    "sub_account_enable_futures": EndpointSamples.sub,
    "sub_account_enable_margin": EndpointSamples.sub,
    "withdraw": EndpointSamples.withdrawal,
    "withdraw_apply": EndpointSamples.withdrawal_by_label,
    "withdraw_history": EndpointSamples.withdrawals,
    "deposit_address": EndpointSamples.deposit_address,
    "cancel_withdraw": EndpointSamples.waiting_withdrawal,
    "universal_transfer_by_id": EndpointSamples.made_transfer,
    "internal_asset_transfer_record": EndpointSamples.made_transfer_record,
    "broker_create_sub_account": EndpointSamples.new_sub,
    "broker_sub_account_status": EndpointSamples.broker_sub,
    "broker_create_api_key": EndpointSamples.broker_key,
    "broker_list_api_keys": EndpointSamples.broker_sub,
    "broker_delete_api_key": EndpointSamples.made_broker_key,
    "broker_withdraw": EndpointSamples.withdrawal_by_label,
    "broker_universal_transfer": EndpointSamples.to_broker_sub,
    "broker_deposit_address": EndpointSamples.broker_deposit_address,
    "broker_universal_transfer_history": EndpointSamples.broker_transfers,
    "broker_enable_futures": EndpointSamples.broker_sub,
    "broker_once_token": EndpointSamples.broker_sub,
}
"""Parameters of endpoints that need an object first."""


def exchange(*further: AccountSpec) -> SimConfig:
    """Configure a simulated exchange for sample calls: no rate limits, initial order books, no flow."""
    main = main_account(balances={**DEFAULT_BALANCES, "ADA": Decimal(3)})  # small enough to convert
    friend = AccountSpec(name="friend", api_key="mx0simFRIENDkey01", api_secret="friend-secret")  # noqa: S106 - no secret
    return SimConfig(limits="none", flow=0, accounts=(main, friend, *further))


async def answers(endpoints: list[Endpoint]) -> dict[str, str | None]:
    """Call each endpoint on a simulated exchange started for this. Returns the problem of each, or None."""
    config = exchange()
    key = config.accounts[0]
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(Simulator(config))
        credentials = Credentials(key.api_key, key.api_secret)
        client = Mexc(credentials, rest=simulator.rest, limits="unlimited", allow_withdraw=True)
        samples = EndpointSamples(await stack.enter_async_context(client), key.api_key)
        return {endpoint.name: await _answer(client, samples, endpoint) for endpoint in endpoints}


async def _answer(mexc: Mexc, samples: EndpointSamples, endpoint: Endpoint) -> str | None:
    odd: list[str] = []
    remove = mexc.hooks.add(lambda event: odd.extend(event.reasons) if isinstance(event, OddItems) else None)
    try:
        await getattr(mexc.spot, endpoint.name)(**await samples.parameters(endpoint.name))
    except (MexcError, LookupError) as error:
        return str(error) or type(error).__name__
    finally:
        remove()
    return odd[0] if odd else None
