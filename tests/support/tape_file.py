"""A short recorded market: a minute of BTC-USDT that falls, recovers and trades at known prices."""

from __future__ import annotations

from pathlib import Path

import orjson

START_MS = 1_700_000_000_000
SECONDS = 60


def messages() -> list[dict[str, object]]:
    """Return a snapshot, and a move of the book with a trade at each side every second.

    The bid is 100.00 at first, falls by 0.10 a second to 97.00, and then rises again.
    """
    found: list[dict[str, object]] = [_book(0, "snapshot", 10_000, None)]
    last = 10_000
    for second in range(1, SECONDS + 1):
        bid = 10_000 - 10 * min(second, SECONDS - second)
        found.append(_book(second, "depth", bid, last))
        found.append(_trade(second, bid, "buy"))
        found.append(_trade(second, bid + 2, "sell"))
        last = bid
    return found


def _book(second: int, kind: str, bid: int, last: int | None) -> dict[str, object]:
    """Return one level a side, two ticks apart; the level of before is removed."""
    gone = [] if last in (None, bid) else [last]
    return {
        "ts_ms": START_MS + second * 1000,
        "symbol": "BTC-USDT",
        "kind": kind,
        "bids": [*([_price(price), "0"] for price in gone), [_price(bid), "5.001"]],
        "asks": [*([_price(price + 2), "0"] for price in gone), [_price(bid + 2), "5.001"]],
    }


def _trade(second: int, price: int, maker_side: str) -> dict[str, object]:
    time_ms = START_MS + second * 1000 + (10 if maker_side == "buy" else 20)
    moved = {"price": _price(price), "quantity": "0.501", "maker_side": maker_side}
    return {"ts_ms": time_ms, "symbol": "BTC-USDT", "kind": "trade", **moved}


def _price(cents: int) -> str:
    return f"{cents / 100:.2f}"


def write_tape(path: Path) -> Path:
    """Write the tape to a file, and return it."""
    path.write_bytes(b"\n".join(map(orjson.dumps, messages())))
    return path
