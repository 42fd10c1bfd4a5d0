"""Signing of one order, and the whole way from an order's values to the signed wire text."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from decimal import Decimal
from urllib.parse import urlencode

from benchmarks import instructions
from benchmarks.harness import OWN, OWN_PURE, CpuLoop, Goal, Report, Row, Settings, interleave, summarise
from benchmarks.instructions import Works, repeated
from mexc_async.native.loader import core_kind
from mexc_async.rest.signing import Signer, blocks
from mexc_async.rest.signing import hmac as pure_hmac
from mexc_async.spot.trading import NewOrder

HMAC, NAIVE = "hmac.new", "urlencode + hmac.new"
SECRET = "0123456789abcdef0123456789abcdef"
TIMESTAMP = 1763719200123
FIELDS = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "quantity": Decimal("0.0005"),
    "price": Decimal("93387.28"),
    "newClientOrderId": "m3kPq8.xYzAb1-123",
}


def run(settings: Settings) -> Report:
    """Compare our signer and wire text with the standard library's."""
    rows: list[Row] = []
    for case, functions in _cases().items():
        seconds = 0.0005 if settings.quick else 0.025
        loops = {name: CpuLoop(function, seconds) for name, function in functions.items()}
        baseline = HMAC if case == "sign" else NAIVE
        rows += summarise(case, interleave(loops, settings.rounds), [baseline], ["cpu_ns_per_op"])
    goals = [
        Goal("sign", "cpu_ns_per_op", HMAC, 0.2 if core_kind == "compiled" else 0.45),
        Goal("sign", "cpu_ns_per_op", HMAC, 0.45, OWN_PURE),
        Goal("wire text", "cpu_ns_per_op", NAIVE, 0.12),
    ]
    notes = [
        f"{OWN}: the {core_kind} core",
        "sign: a 124-byte order; wire text: a request value to path, sorted query and signature, beside urlencode of a "
        "dict and hmac.new; values to wire text: with the request value made and its fields checked first",
    ]
    rows += instructions.rows("sign", settings, notes, [HMAC, NAIVE])
    return Report(rows, goals, notes)


def work() -> Works:
    """Return the work for the instruction count."""
    return {case: {name: repeated(call) for name, call in of_case.items()} for case, of_case in _cases().items()}


def _cases() -> dict[str, dict[str, Callable[[], str]]]:
    return {"sign": _signers(), "wire text": _wire_texts(), "values to wire text": _from_values()}


def _signers() -> dict[str, Callable[[], str]]:
    """Return five signers with equal results."""
    key, text = SECRET.encode(), urlencode({**FIELDS, "timestamp": TIMESTAMP}).encode()
    sign, sign_pure, keyed = Signer(key).sign, pure_hmac(*blocks(key)), hmac.new(key, digestmod=hashlib.sha256)

    def copied() -> str:
        state = keyed.copy()
        state.update(text)
        return state.hexdigest()

    return _agreeing(
        {
            OWN: lambda: sign(text),
            OWN_PURE: lambda: sign_pure(text),
            HMAC: lambda: hmac.new(key, text, hashlib.sha256).hexdigest(),
            "hmac.digest": lambda: hmac.digest(key, text, "sha256").hex(),
            "hmac copy": copied,
        }
    )


def _wire_texts() -> dict[str, Callable[[], str]]:
    order, signer = _order(), Signer(SECRET.encode())
    pairs = dict(FIELDS)

    def ours() -> str:
        query = order.query(None, TIMESTAMP)
        return f"/api/v3/order?{query}&signature={signer.sign(query.encode())}"

    def theirs() -> str:
        pairs["timestamp"] = TIMESTAMP
        return _naive(dict(sorted(pairs.items())))

    return _agreeing({OWN: ours, NAIVE: theirs})


def _from_values() -> dict[str, Callable[[], str]]:
    signer = Signer(SECRET.encode())

    def ours() -> str:
        query = _order().query(None, TIMESTAMP)
        return f"/api/v3/order?{query}&signature={signer.sign(query.encode())}"

    def theirs() -> str:
        return _naive(dict(sorted({**FIELDS, "timestamp": TIMESTAMP}.items())))

    return _agreeing({OWN: ours, NAIVE: theirs})


def _order() -> NewOrder:
    return NewOrder(
        symbol="BTCUSDT",
        side="BUY",
        type="LIMIT",
        quantity=FIELDS["quantity"],  # type: ignore[arg-type]  # a Decimal
        price=FIELDS["price"],  # type: ignore[arg-type]  # a Decimal
        new_client_order_id="m3kPq8.xYzAb1-123",
    )


def _naive(pairs: dict[str, object]) -> str:
    query = urlencode(pairs)
    return f"/api/v3/order?{query}&signature={hmac.new(SECRET.encode(), query.encode(), hashlib.sha256).hexdigest()}"


def _agreeing(functions: dict[str, Callable[[], str]]) -> dict[str, Callable[[], str]]:
    assert len({function() for function in functions.values()}) == 1, "the subjects do not do the same"
    return functions
