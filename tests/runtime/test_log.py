"""Warnings of an outage: one a minute, and the next one counts those between."""

from __future__ import annotations

import logging

import pytest

from mexc_async.runtime.log import OutageLog


def test_one_warning_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "mexc_async")
    now = 1000.0
    outages = OutageLog(lambda: now)
    for _ in range(600):  # ten minutes
        outages.warn("no connection to api.mexc.com:443: Connection refused")
        now += 1
    texts = [record.getMessage() for record in caplog.records]
    assert len(texts) == 10
    assert texts[0] == "no connection to api.mexc.com:443: Connection refused"
    assert texts[1] == "no connection to api.mexc.com:443: Connection refused (59 more since the last warning)"
