"""No sequence of transfers, deposits, withdrawals, conversions and trades changes the total of an asset."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from mexc_async.sim.exchange.accounts import Account, AccountSpec, WithdrawAddress
from mexc_async.sim.exchange.exchange import Exchange
from mexc_async.sim.exchange.orders import OrderRequest
from mexc_async.sim.exchange.refusals import Refusal
from mexc_async.sim.exchange.settlement import CHAIN, FEES, HOUSE
from mexc_async.sim.exchange.symbols import rules_of
from mexc_async.sim.wallet.deposits import SUCCESS
from mexc_async.sim.wallet.transfers import TransferSide
from mexc_async.sim.wallet.wallet import Wallet, WalletRules
from mexc_async.sim.wallet.withdrawals import Status, WithdrawRequest
from tests.support import consistency

D = Decimal
NOW = 1_700_000_000_000
SYMBOLS = (
    rules_of("DOGE", "USDT", "Dogecoin", "0.2", 4, "0.1", min_value="0.1", band="0.5", maker_fee="0.0001"),
    rules_of("MX", "USDT", "MX", "3.0", 2, "0.01", min_value="0.1"),
)
ASSETS = ("USDT", "DOGE", "MX", "XRP")
HELD = {"USDT": D(300), "DOGE": D(24), "MX": D(40), "XRP": D(300)}


class World:
    """Two main accounts, the second invited by the first; the first has a sub-account of either kind."""

    def __init__(self) -> None:
        self.exchange = Exchange(SYMBOLS, seed=1, now_ms=NOW)
        self.wallet = Wallet(self.exchange, seed=1, rules=WalletRules(deposit_s=2, withdraw_step_s=1))
        specs = (
            AccountSpec(name="a", api_key="ka", api_secret="s", balances=HELD),
            AccountSpec(name="b", api_key="kb", api_secret="s", balances=HELD, invited_by="a"),
        )
        self.mains: list[Account] = []
        for spec in specs:
            self.mains.append(self.exchange.open_account(spec, NOW))
            self.wallet.open(self.mains[-1], None)
        first = self.mains[0]
        own = self.wallet.sub_accounts.create(first, "ownsub001", "n", NOW, by_broker=False)
        customer = self.wallet.sub_accounts.create(first, "customer1", "n", NOW, by_broker=True)
        self.accounts = [*self.mains, own, customer]
        market = self.exchange.market("DOGEUSDT")
        self.exchange.quote(market, "BUY", D("0.1999"), D(10_000), NOW)
        self.exchange.quote(market, "SELL", D("0.2001"), D(10_000), NOW)
        self.totals = {asset: self.exchange.balances.total(asset) for asset in ASSETS}

    def check(self) -> None:
        balances = self.exchange.balances
        for asset in ASSETS:
            assert balances.balance(CHAIN, asset).free == self.sent(asset) - self.credited(asset)
        consistency.check(self.exchange, self.totals, self.wallet)

    def sent(self, asset: str) -> Decimal:
        every = [w for account in self.accounts for w in self.wallet.withdrawals.newest_first(account)]
        done = (w.request for w in every if w.status == Status.SUCCESS and w.request.currency.coin == asset)
        return sum((request.amount - request.network.fee for request in done), D(0))

    def credited(self, asset: str) -> Decimal:
        every = self.wallet.deposits.newest_first(frozenset(account.uid for account in self.accounts))
        return sum((d.amount for d in every if d.status == SUCCESS and d.network.coin == asset), D(0))


who = st.integers(0, 3)
asset_names = st.sampled_from(ASSETS)
amounts = st.integers(1, 40_000).map(lambda cents: D(cents) / 100)
kinds = st.sampled_from(["SPOT", "FUTURES"])
mains = st.integers(0, 1)
withdrawing = st.tuples(
    st.just("withdraw"),
    mains,
    st.sampled_from(["USDT", "XRP", "MX"]),
    st.integers(5, 60).map(D),
    st.integers(0, 5),
    st.booleans(),
)
actions = st.lists(
    st.one_of(
        st.tuples(st.just("own"), who, kinds, kinds, asset_names, amounts),
        st.tuples(st.just("between"), who, who, kinds, kinds, asset_names, amounts),
        st.tuples(st.just("internal"), who, mains, asset_names, amounts),
        st.tuples(st.just("deposit"), who, asset_names, amounts),
        withdrawing,
        withdrawing,
        st.tuples(st.just("decide"), mains, st.integers(0, 9), st.sampled_from([*Status])),
        st.tuples(st.just("decide"), mains, st.integers(0, 9), st.sampled_from([Status.SUCCESS, Status.FAILED])),
        st.tuples(st.just("cancel"), who, st.integers(0, 9)),
        st.tuples(st.just("convert"), who, st.lists(asset_names, max_size=4)),
        st.tuples(st.just("trade"), who, st.sampled_from(["BUY", "SELL"]), amounts, st.booleans()),
        st.tuples(st.just("wait"), st.integers(0, 3000)),
    ),
    max_size=40,
)


def act(world: World, action: tuple[object, ...], now_ms: int) -> None:
    wallet = world.wallet
    match action:
        case ("own", int(i), source, target, str(asset), Decimal() as amount):
            wallet.transfers.own(world.accounts[i], source, target, asset, amount, now_ms)  # type: ignore[arg-type]  # hypothesis gives the words
        case ("between", int(i), int(j), source, target, str(asset), Decimal() as amount):
            sides = TransferSide(world.accounts[i], source), TransferSide(world.accounts[j], target)  # type: ignore[arg-type]  # as above
            wallet.transfers.between(world.mains[0], *sides, asset, amount, now_ms, by_broker=i % 2 == 0)
        case ("internal", int(i), int(j), str(asset), Decimal() as amount):
            wallet.transfers.internal(world.accounts[i], "UID", world.mains[j].uid, asset, amount, now_ms)
        case ("deposit", int(i), str(asset), Decimal() as amount):
            currency = wallet.currencies.get(asset)
            wallet.deposits.arrive(world.accounts[i], currency, currency.networks[0], amount, now_ms)
        case ("withdraw", int(i), str(asset), Decimal() as amount, int(number), bool(inside)):
            withdraw(world, world.accounts[i], asset, amount, number, inside, now_ms)
        case ("decide", int(i), int(index), Status() as status):
            if found := wallet.withdrawals.newest_first(world.accounts[i]):
                wallet.withdrawals.force(found[index % len(found)].withdrawal_id, status, now_ms)
        case ("cancel", int(i), int(index)):
            if found := wallet.withdrawals.newest_first(world.accounts[i]):
                wallet.withdrawals.cancel(world.accounts[i], found[index % len(found)].withdrawal_id, now_ms)
        case ("convert", int(i), list(assets)):
            wallet.dust.convert(world.accounts[i], [str(asset) for asset in assets], now_ms)
        case ("trade", int(i), side, Decimal() as amount, bool(rests)):
            request = OrderRequest(
                symbol="DOGEUSDT",
                side=side,  # type: ignore[arg-type]  # as above
                type="LIMIT" if rests else "MARKET",
                quantity=amount,
                price=D("0.2000"),
            )
            world.exchange.place(world.accounts[i], request, now_ms)


def withdraw(
    world: World, account: Account, asset: str, amount: Decimal, number: int, inside: bool, now_ms: int
) -> None:
    """Withdraw to an outside address, or to another account of the exchange."""
    currency = world.wallet.currencies.get(asset)
    network = currency.networks[number % len(currency.networks)]
    entry = next(e for e in world.wallet.withdrawals.address_book(account, asset) if e.network == network.short)
    address, memo = entry.address, entry.memo
    if inside:
        address, memo = world.wallet.deposits.generate(world.mains[number % 2], network)
        world.wallet.withdrawals.allow(
            account if account.master is None else account.master,
            [WithdrawAddress(coin=asset, network=network.short, address=address, memo=memo)],
        )
    request = WithdrawRequest(
        currency=currency,
        network=network,
        address=address,
        amount=amount,
        memo=memo,
        order_id=f"w{number}" if number else None,
    )
    world.wallet.withdrawals.apply(account, request, now_ms)


@settings(max_examples=150, deadline=None)
@given(actions)
def test_money_is_neither_made_nor_lost(sequence: list[tuple[object, ...]]) -> None:
    world, now_ms = World(), NOW
    world.check()
    for action in sequence:
        if action[0] == "wait":
            now_ms += int(str(action[1]))
            world.wallet.advance(now_ms)
        else:
            before = snapshot(world)
            try:
                act(world, action, now_ms)
            except (Refusal, ValueError):
                assert snapshot(world) == before
        world.check()
    world.exchange.cancel(list(world.mains[0].open_orders.values()), now_ms)
    world.wallet.advance(now_ms + 3_600_000)
    world.check()


def snapshot(world: World) -> dict[str, dict[str, tuple[Decimal, Decimal]]]:
    """Return every balance that is not zero."""
    names = [name for account in world.accounts for name in (account.uid, account.futures)]
    balances = world.exchange.balances
    return {
        name: {asset: (b.free, b.locked) for asset, b in balances.balances(name).items() if b.free or b.locked}
        for name in (*names, FEES, CHAIN, HOUSE)
    }
