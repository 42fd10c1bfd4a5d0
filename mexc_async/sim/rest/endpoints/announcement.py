"""Generated announcements: the group `announcement` of the reference."""

from __future__ import annotations

import re

from mexc_async.sim.exchange.bars import DAY
from mexc_async.sim.exchange.refusals import Refusal
from mexc_async.sim.exchange.symbols import SEEDED
from mexc_async.sim.rest.answers import Json
from mexc_async.sim.rest.endpoint import Call, ServedEndpoint
from mexc_async.sim.rest.paging import Page
from mexc_async.sim.rest.parameters import Parameters

_LOCALE = re.compile(r"[a-z]{2,3}-[A-Z]{2,4}")
_DEFAULT, _MOST, _STEP = 20, 100, 5


def announcements(call: Call) -> Json:
    """Return one page of announcements, newest first. A wrong parameter gives HTTP 200 with code 600 and no data."""
    language = call.parameters.optional("language") or "en-US"
    page = _page(call.parameters)
    if page is None or not _LOCALE.fullmatch(language):
        return {"code": 600, "msg": "参数错误", "timestamp": call.now_ms, "traceId": call.wallet.ids.hex()}
    rows = _rows(language, call.now_ms)
    return {"code": 0, "data": [{"details": page.of(rows), "totalPage": page.count(rows)}], "msg": "success"}


def _page(parameters: Parameters) -> Page | None:
    """Return the requested page, or None for an invalid page number or size."""
    try:
        number, size = parameters.integer("page"), parameters.integer("limit")
    except Refusal:
        return None
    size = _DEFAULT if size is None else size
    return Page(number or 1, size) if number != 0 and 0 < size <= _MOST and not size % _STEP else None


def _rows(language: str, now_ms: int) -> list[Json]:
    today_ms = now_ms // DAY * DAY
    return [
        {
            "title": f"Initial Listing: {rules.full_name} ({rules.base})",
            "url": f"https://www.mexc.com/announcements/article/sim-listing-{rules.symbol.lower()}",
            "language": language,
            "postTime": today_ms - age * DAY,
        }
        for age, rules in enumerate(reversed(SEEDED))
    ]


ENDPOINTS = (ServedEndpoint("GET", "/api/v3/announcements", announcements, (("ip", 1), ("announcements", 1))),)
