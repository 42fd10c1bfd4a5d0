"""Currencies and their networks: withdrawal fees, limits and steps, and deposit confirmations."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from mexc_async.sim.exchange import assumptions
from mexc_async.sim.exchange.refusals import Refusal
from mexc_async.sim.exchange.symbols import SymbolFilters


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """One currency on one network."""

    coin: str
    label: str
    """Long name, MEXC's `network`. Deposit endpoints take it."""
    short: str
    """Short name, MEXC's `netWork`. Withdrawal endpoints take it."""
    fee: Decimal
    least: Decimal
    """Smallest withdrawal, fee included."""
    most: Decimal
    step: Decimal | None
    """Step of withdrawal amounts; None for 8 decimals."""
    confirmations: int
    """Number of confirmations that a deposit needs."""
    pre_confirmations: int | None = None
    """Number of confirmations until the pre-credit, which has no effect here; None without one."""
    needs_memo: bool = False
    contract: str = ""
    deposits: bool = True
    withdrawals: bool = True

    @property
    def decimals(self) -> int:
        """Number of decimals that a withdrawal may have."""
        if self.step is None:
            return assumptions.AMOUNT_DECIMALS
        exponent = self.step.normalize().as_tuple().exponent
        return max(0, -exponent) if isinstance(exponent, int) else 0


class Currency(msgspec.Struct, frozen=True):
    """One currency."""

    coin: str
    name: str
    networks: tuple[Network, ...] = ()

    def by_label(self, label: str) -> Network:
        """Return the network with this long name. Raises Refusal 33333."""
        return self._named(label, "label")

    def by_short(self, short: str) -> Network:
        """Return the network with this short name. Raises Refusal 33333."""
        return self._named(short, "short")

    def coin_on(self, network: Network) -> str:
        """Return the coin as histories spell it: with the network if there are several, such as USDT-TRX."""
        return f"{self.coin}-{network.short}" if len(self.networks) > 1 else self.coin

    def _named(self, name: str, field: str) -> Network:
        for network in self.networks:
            if getattr(network, field) == name:
                return network
        raise Refusal(assumptions.UNKNOWN_NETWORK, "The network does not exist for this currency.")


_LABELS = {
    "TRX": "TRC20",
    "ETH": "ERC20",
    "BSC": "BEP20(BSC)",
    "SOL": "Solana(SOL)",
    "ARB": "Arbitrum One(ARB)",
    "TON": "Toncoin(TON)",
}
_CONFIRMATIONS = {"BTC": 2, "ETH": 64, "BSC": 61, "TRX": 20, "SOL": 100, "LTC": 6, "DOGE": 40}
_PRE_CONFIRMATIONS = {"ETH": 12, "BSC": 15}
_NEEDS_MEMO = frozenset({"XRP", "TON"})
_MOST_TIMES = 1_000_000


def _networks(coin: str, *rows: tuple[str, str, str] | tuple[str, str, str, str]) -> tuple[Network, ...]:
    """Build networks from rows of (short name, fee, smallest withdrawal, optional step)."""
    made = []
    for short, fee, least, *step in rows:
        network = Network(
            coin=coin,
            label=_LABELS.get(short, short),
            short=short,
            fee=Decimal(fee),
            least=Decimal(least),
            most=Decimal(least) * _MOST_TIMES,
            step=Decimal(step[0]) if step else None,
            confirmations=_CONFIRMATIONS.get(short, 10),
            pre_confirmations=_PRE_CONFIRMATIONS.get(short),
            needs_memo=short in _NEEDS_MEMO,
        )
        made.append(network)
    return tuple(made)


def _closed(network: Network, *, deposits: bool) -> Network:
    return msgspec.structs.replace(network, deposits=deposits, withdrawals=False)


SEEDED: tuple[Currency, ...] = (
    Currency(
        "USDT",
        "Tether",
        _networks(
            "USDT",
            ("TRX", "1", "10", "0.000001"),
            ("ETH", "3", "10", "0.000001"),
            ("BSC", "0.01", "5"),
            ("SOL", "0.5", "5", "0.000001"),
        ),
    ),
    Currency(
        "USDC",
        "USD Coin",
        _networks("USDC", ("ETH", "3", "10", "0.000001"), ("SOL", "0.5", "5", "0.000001"), ("ARB", "0.2", "2")),
    ),
    Currency("BTC", "Bitcoin", _networks("BTC", ("BTC", "0.0001", "0.001"), ("BSC", "0.00001", "0.0002"))),
    Currency(
        "ETH",
        "Ethereum",
        _networks("ETH", ("ETH", "0.001", "0.01"), ("ARB", "0.0001", "0.002"), ("BSC", "0.0002", "0.005")),
    ),
    Currency("SOL", "Solana", _networks("SOL", ("SOL", "0.005", "0.1"))),
    Currency("XRP", "XRP", _networks("XRP", ("XRP", "0.2", "20", "0.000001"))),
    Currency("DOGE", "Dogecoin", _networks("DOGE", ("DOGE", "4", "20"))),
    Currency("MX", "MX Token", _networks("MX", ("ETH", "2", "10"))),
    Currency("ADA", "Cardano", _networks("ADA", ("ADA", "0.8", "10", "0.000001"))),
    Currency("LTC", "Litecoin", _networks("LTC", ("LTC", "0.001", "0.01"))),
    Currency("PEPE", "Pepe", _networks("PEPE", ("ETH", "250000", "1000000", "1"))),
    Currency("SHIB", "Shiba Inu", _networks("SHIB", ("ETH", "150000", "500000", "1"))),
    Currency("NOT", "Notcoin", _networks("NOT", ("TON", "3", "30"))),
    Currency("HEGIC", "Hegic", _networks("HEGIC", ("ETH", "100", "500"))),
    Currency(
        "LOKA",
        "League of Kingdoms",
        tuple(_closed(network, deposits=True) for network in _networks("LOKA", ("ETH", "10", "20"))),
    ),
    Currency(
        "LVN", "LeveN", tuple(_closed(network, deposits=False) for network in _networks("LVN", ("BSC", "100", "500")))
    ),
)
"""Currencies of the seeded markets. LOKA cannot be withdrawn; LVN can be neither deposited nor withdrawn."""


class Currencies:
    """The currencies of one exchange."""

    def __init__(self, symbols: Iterable[SymbolFilters]) -> None:
        self._known = {currency.coin: currency for currency in SEEDED}
        for rules in symbols:
            for coin, name in ((rules.base, rules.full_name), (rules.quote, rules.quote)):
                self._known.setdefault(coin, Currency(coin, name))

    def all(self) -> list[Currency]:
        """Return every currency."""
        return list(self._known.values())

    def get(self, coin: str | None) -> Currency:
        """Return the currency. Raises Refusal 10222 (no name) or 10232 (unknown name)."""
        if coin is None:
            raise Refusal(10222, "The currency is required.")
        found = self._known.get(coin)
        if found is None:
            raise Refusal(10232, "The currency not exist")
        return found
