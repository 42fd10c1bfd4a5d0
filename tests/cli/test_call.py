"""`mexc-async call`: every endpoint by the flags of its declaration."""

from __future__ import annotations

import json
from decimal import Decimal

import msgspec
import pytest

from mexc_async.cli.endpoints.call import print_flags
from mexc_async.cli.endpoints.flags import build, flags_of, parse
from mexc_async.cli.endpoints.samples import EndpointSamples
from mexc_async.cli.endpoints.samples import exchange as samples_exchange
from mexc_async.cli.output import show
from mexc_async.client.catalogue import endpoints
from mexc_async.client.mexc import Mexc
from mexc_async.errors import InvalidRequest
from mexc_async.rest.credentials import Credentials
from mexc_async.schema.endpoint import Request
from mexc_async.schema.json_values import plain
from mexc_async.sim.rest.background import BackgroundSimulator
from mexc_async.sim.rest.server import Simulator
from mexc_async.spot.market import DepthQuery
from mexc_async.spot.trading import BatchOrders, NewOrder
from tests.support.command import Run, Terminal, invoke


def words_of(request: Request[object]) -> list[str]:
    """Return the command line of a request."""
    words = []
    for flag in flags_of(type(request)):
        value = getattr(request, flag.name)
        if value is not None:
            text = json.dumps(plain(value)) if isinstance(value, list | tuple | bool) else str(plain(value))
            words += [flag.flag, text]
    return words


async def test_every_endpoint_is_called_by_flags_and_its_answer_shown(capsys: pytest.CaptureFixture[str]) -> None:
    config = samples_exchange()
    account = config.accounts[0]
    async with Simulator(config) as simulator:
        credentials = Credentials(account.api_key, account.api_secret)
        async with Mexc(credentials, rest=simulator.rest, limits="unlimited", allow_withdraw=True) as mexc:
            samples = EndpointSamples(mexc, account.api_key)
            for endpoint in endpoints():
                meant = endpoint.request(**await samples.parameters(endpoint.name))
                request = build(endpoint.request, parse(words_of(meant)))
                assert request.params() == meant.params()
                answer = await mexc.send(request)
                show(answer, False)
                table = capsys.readouterr().out
                show(answer, True)
                shown = capsys.readouterr().out
                assert table.strip()
                assert json.loads(shown) == json.loads(json.dumps(plain(answer))), endpoint.name


def test_every_field_of_every_endpoint_is_a_flag(capsys: pytest.CaptureFixture[str]) -> None:
    for endpoint in endpoints():
        print_flags(endpoint)
        shown = capsys.readouterr().out
        lines = {line.split()[0]: line for line in shown.splitlines() if line.startswith("--")}
        fields = {f"--{field.name.replace('_', '-')}": field for field in msgspec.structs.fields(endpoint.request)}
        assert list(lines) == list(fields)
        for name, field in fields.items():
            assert ("required" in lines[name].split()) == field.required


def test_help_says_what_a_parameter_is_for() -> None:
    shown = " ".join(invoke("call", "new-order", "--help").out.split())
    assert "Place an order." in shown
    assert "--side BUY|SELL required" in shown
    assert "--quantity DECIMAL Quantity in base." in shown


def test_the_list_names_every_endpoint() -> None:
    rows = invoke("call", "--list", "--json").json
    assert isinstance(rows, list)
    assert [row["name"] for row in rows] == [endpoint.name for endpoint in endpoints()]
    assert len(rows) == 99


@pytest.mark.parametrize("words", [["--symbol", "A"], ["--symbol=A"], ["--limit=5", "--symbol", "A"]])
def test_a_flag_and_its_value_are_two_words_or_one(words: list[str]) -> None:
    assert build(DepthQuery, parse(words)).symbol == "A"


def test_flags_may_be_spelt_as_the_exchange_does() -> None:
    given = {"symbol": "A", "side": "BUY", "type": "MARKET", "quoteOrderQty": "5.50", "newClientOrderId": "x"}
    order = build(NewOrder, given)
    assert order.quote_order_qty == Decimal("5.50")
    assert order.new_client_order_id == "x"


def test_amounts_in_json_stay_exact() -> None:
    text = '[{"symbol":"A","side":"BUY","type":"LIMIT","quantity":0.1000000000000000055511151231257827,"price":"1e2"}]'
    (order,) = build(BatchOrders, {"orders": text}).orders
    assert order.quantity == Decimal("0.1000000000000000055511151231257827")
    assert order.price == 100


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["deth", "--symbol", "A"], "'deth' is not an endpoint; similar: depth"),
        (["/api/v3/order"], "'/api/v3/order' is not an endpoint"),
        (["/api/v3/capital//withdraw", "--coin", "USDT"], "is not an endpoint"),
        (["NEW-ORDER"], "'NEW-ORDER' is not an endpoint"),
        (["withdraw "], "'withdraw ' is not an endpoint"),
        (["depth"], "--symbol is required"),
        (["depth", "--symbol", "BTCUSDT", "--limit", "ten"], "--limit 'ten' is not a whole number"),
        (["depth", "--symbol", "BTCUSDT", "--limit", "0"], "limit 0 must be from 1 to 5000"),
        (["depth", "--symbol", "btc_usdt"], "as in BTCUSDT"),
        (["depth", "--symbl", "BTCUSDT"], "--symbl is no flag of this endpoint: --symbol, --limit"),
        (["depth", "--symbol"], "--symbol needs a value"),
        (["depth", "BTCUSDT"], "'BTCUSDT' is not expected here"),
        (["depth", "--symbol", "A", "--symbol", "B"], "--symbol is given twice"),
        (["klines", "--symbol", "A", "--interval", "2m"], "interval '2m' is not one of '1m'"),
        (["set_mx_deduct", "--mx-deduct-enable", "maybe"], "'maybe' is neither true nor false"),
        (
            ["new_order", "--symbol", "A", "--side", "BUY", "--type", "MARKET", "--quantity", "1,5"],
            "'1,5' is not a number",
        ),
        (["new_order", "--symbol", "A", "--side", "BUY", "--type", "MARKET", "--quantity", "NaN"], "quantity NaN"),
        (
            ["new_order", "--symbol", "A", "--side", "UP", "--type", "MARKET", "--quantity", "1"],
            "side 'UP' is not one of",
        ),
        (["batch_orders", "--orders", "{}"], "--orders is not a JSON list of objects"),
        (["batch_orders", "--orders", '[{"symbol": "A"}]'], "--side, --type are required"),
        (["ping", "--rest", "http://203.0.113.7"], "is not encrypted"),
        (["ping", "--sim", "--rest", "http://127.0.0.1:1"], "exclude each other"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(arguments: list[str], words: str) -> None:
    assert words in invoke("call", *arguments).error(2)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sim", "--nope"], "--nope"),
        (["nope"], "'nope'"),
        (["book"], "symbol"),
        (["book", "A", "--limit", "x"], "--limit"),
    ],
)
def test_a_command_line_that_cannot_be_read_is_one_line_and_status_2(arguments: list[str], words: str) -> None:
    assert words.lower() in invoke(*arguments).error(2).lower()


def test_a_refusal_is_one_line_with_what_it_means_and_status_1(run: Run) -> None:
    line = run("call", "trades", "--symbol", "NOPEUSDT").error(1)
    assert "GET /api/v3/trades" in line
    assert "InvalidSymbol" in line


def test_advice_comes_with_a_refusal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEXC_API_SECRET", "another-secret")
    line = run("balances").error(1)
    assert "Check that the secret belongs to this key" in line
    assert "another-secret" not in line


def test_a_call_that_needs_a_key_says_so_before_anything_is_sent(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MEXC_API_SECRET")
    assert "MEXC_API_SECRET not set" in run("call", "account").error(2)


def test_json_has_the_names_of_the_sdk_and_raw_those_of_the_exchange(run: Run) -> None:
    assert list(run("call", "server_time", "--json").json) == ["server_time"]  # type: ignore[call-overload]
    assert list(run("call", "server_time", "--raw").json) == ["serverTime"]  # type: ignore[call-overload]


NEW = ["call", "new_order", "--symbol", "BTCUSDT", "--side", "BUY", "--type", "LIMIT", "--quantity", "0.001", "--price"]
WITHDRAW = ["call", "withdraw", "--coin", "USDT", "--net-work", "TRX", "--address", "a", "--amount", "30"]


def count(exchange: BackgroundSimulator) -> int:
    """Count all orders that the exchange accepted."""
    return exchange.call(lambda simulator: len(simulator.statement().orders))


def test_what_changes_something_is_refused_where_nobody_can_be_asked(run: Run, exchange: BackgroundSimulator) -> None:
    before = count(exchange)
    line = run(*NEW, "20000").error(2)
    assert "SIM 127.0.0.1" in line
    assert "new_order (POST /api/v3/order) symbol=BTCUSDT, side=BUY" in line
    assert "give --yes" in line
    assert count(exchange) == before


@pytest.mark.parametrize(("answer", "status"), [("y\n", 0), ("yes\n", 0), ("n\n", 1), ("\n", 1), ("", 1)])
def test_somebody_at_the_terminal_is_asked(run: Run, exchange: BackgroundSimulator, answer: str, status: int) -> None:
    before = count(exchange)
    ended = run(*NEW, "20001", stdin=Terminal(answer))
    assert ended.status == status
    assert "SIM 127.0.0.1" in ended.err
    assert "price=20001" in ended.err
    assert count(exchange) == before + (status == 0)


def test_live_is_said_where_real_money_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEXC_API_KEY", "mx0vglSOMEKEY")
    monkeypatch.setenv("MEXC_API_SECRET", "some-secret")
    line = invoke(*NEW, "20002").error(2)
    assert "LIVE api.mexc.com" in line
    assert "some-secret" not in line


def test_withdrawals_are_off_even_with_yes(run: Run) -> None:
    assert "add --allow-withdraw if that is meant" in run(*WITHDRAW, "--yes").error(2)
    assert "MEXC" not in run(*WITHDRAW, "--allow-withdraw").error(2)  # no terminal to ask at
    assert "POST /api/v3/capital/withdraw" in run(*WITHDRAW, "--allow-withdraw", "--yes").error(1)


def test_flags_are_refused_that_the_endpoint_has_not() -> None:
    with pytest.raises(InvalidRequest, match="it takes none"):
        build(next(one for one in endpoints() if one.name == "ping").request, {"symbol": "A"})
