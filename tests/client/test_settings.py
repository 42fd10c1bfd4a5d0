"""Every setting of a client is checked when it is given: a ConfigError of one line, which shows no secret."""

from __future__ import annotations

import inspect
import ssl
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mexc_async.call_log.log import CallLog
from mexc_async.client.mexc import Mexc
from mexc_async.client.settings import NetworkSettings, Prepared
from mexc_async.errors import ConfigError
from mexc_async.limits.profiles import Limit, Limits
from mexc_async.orders.tracker import OrderSettings
from mexc_async.rest.call import Options
from mexc_async.rest.credentials import Credentials
from mexc_async.rest.retry import RetryPolicy
from mexc_async.risk.alarms import AlarmSettings
from mexc_async.runtime.clock import Clock
from mexc_async.schema.settings import CheckedSettings
from mexc_async.schema.validation import checks_of
from mexc_async.streams.router import StreamSettings
from mexc_async.streams.session import Timing
from mexc_async.transport.config import Timeouts

SECRET = "hunter2"


class Strange:
    """Foreign object whose `repr` has several lines."""

    def __repr__(self) -> str:
        return "several\nlines"


WRONG: list[Any] = [
    Strange(), object, b"x", [], {}, (5,), {"x"}, 1j, float("nan"), float("inf"), -1, -1.5, 10**5000,
    "a\r\n", "a\nb", "a\0b", "\ud800", "",
]  # fmt: skip
"""Values that no setting of any type takes."""
NO_SWITCH, NO_NUMBER, NO_TEXT = [0, 1, "no", None], [True, "1", b"1"], [True, 1, 1.5]
GROUPS: list[type[CheckedSettings]] = [
    NetworkSettings, OrderSettings, StreamSettings, AlarmSettings, Timeouts, RetryPolicy, Timing, Options, Limits,
]  # fmt: skip
NEEDED: dict[type, dict[str, Any]] = {Limits: {"profile": "mine", "table": ()}}
"""Fields without a default."""


def refused(make: Callable[[], object], name: str, *, shows: object = None) -> None:
    """Fail unless this raises a ConfigError of one line with the setting's name, and the value if given."""
    with pytest.raises(ConfigError) as caught:
        make()
    text = str(caught.value)
    assert name in text
    assert text.isprintable(), "one line"
    assert len(text) < 400
    assert SECRET not in text
    if shows is not None:
        assert repr(shows) in text, text


def fields() -> Iterator[Any]:
    for group in GROUPS:
        made = group(**NEEDED.get(group, {}))
        for name in group.__struct_fields__:
            yield pytest.param(group, name, getattr(made, name), id=f"{group.__name__}.{name}")


@pytest.mark.parametrize(("group", "name", "default"), list(fields()))
def test_wrong_setting_of_a_group_is_refused_by_name(group: type[CheckedSettings], name: str, default: Any) -> None:
    is_switch, is_number = isinstance(default, bool), isinstance(default, int | float)
    for wrong in [*WRONG, *(NO_SWITCH if is_switch else NO_NUMBER if is_number else NO_TEXT)]:
        if name in ("max_wait_s", "timeout_s", "recv_window_ms") and wrong in (1, 1.5):
            continue  # numbers without a default
        has_value = isinstance(default, bool | int | float | str) and isinstance(wrong, bool | str)
        refused(partial(group, **{**NEEDED.get(group, {}), name: wrong}), name, shows=wrong if has_value else None)


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.__name__)
def test_every_setting_of_a_group_has_a_check(group: type[CheckedSettings]) -> None:
    assert [name for name, _, _ in checks_of(group)] == list(group.__struct_fields__)


def test_every_class_of_settings_is_in_this_test() -> None:
    assert set(CheckedSettings.__subclasses__()) == set(GROUPS)


CREDENTIALS = Credentials("mx0key-of-a-test", SECRET)
ARGUMENTS: dict[str, list[Any]] = {
    "credentials": ["mx0key:hunter2", (SECRET, SECRET), {"secret": SECRET}],
    "rest": [None, "ftp://x", "https://u:hunter2@api.mexc.com", "https://api.mexc.com\r\nHost: x", "not a url"],
    "ws": ["https://api.mexc.com", "wss://u:hunter2@x/ws", "wss://x/ws\r\n"],
    "limits": ["none", None, "market_maker(0)", "market_maker(99999999999999)"],
    "read_only": [None, 1, "no"],
    "allow_withdraw": [None, 1, "yes"],
    "call_log": [Path("a\0b"), True],
    "proxy": ["socks5://u:hunter2@h:1", "http://u:hunter2@h:1\r\n", "hunter2", "http://h:hunter2"],
    "recv_window_ms": [0, 60_001, "5000", 5000.0, True],
    "network": [None, Timeouts(), NetworkSettings, {"proxy": "http://u:hunter2@h"}],
    "orders": [None, "m", OrderSettings],
    "streams": [None, StreamSettings],
    "alarms": [None, AlarmSettings],
    "clock": [None, Clock],
    "prepared": [()],
}
"""Wrong values of each argument of `Mexc`, besides those that none takes."""


def test_every_argument_of_the_client_is_in_this_test() -> None:
    assert list(inspect.signature(Mexc).parameters) == list(ARGUMENTS)


@pytest.mark.parametrize("name", ARGUMENTS)
async def test_wrong_argument_of_the_client_is_refused_by_name(name: str) -> None:
    for wrong in [*WRONG, *ARGUMENTS[name]]:
        refused(partial(Mexc, **{name: wrong}), name)


def _cases(*rows: tuple[Callable[..., object], str]) -> list[Any]:
    return [pytest.param(make, name, id=f"{number}-{name}") for number, (make, name) in enumerate(rows)]


LOG: Any = CallLog
LIMIT: Any = Limit
CLIENT: Any = Mexc
KEY: Any = Credentials


@pytest.mark.parametrize(
    ("make", "name"),
    _cases(
        (lambda: LOG("x.jsonl", max_bytes="1"), "max_bytes"),
        (lambda: LOG("x.jsonl", keep=10**5000), "keep"),
        (lambda: LOG("x.jsonl", max_age_s="1"), "max_age_s"),
        (lambda: LOG("x.jsonl", sync="no"), "sync"),
        (lambda: LOG("x.jsonl", on_failure=[]), "on_failure"),
        (lambda: LOG("x.jsonl", clock=5), "clock"),
        (lambda: LOG(5), "call_log"),
        (lambda: LIMIT("orders", True, 1.0, "account", "me"), "limit orders"),
        (lambda: LIMIT("orders", 10, float("nan"), "account", "me"), "limit orders"),
        (lambda: LIMIT(5, 10, 1.0, "account", "me"), "name"),
        (lambda: Limits.custom(orders="12"), "limit orders"),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: Limits.custom(margin_s="0"), "margin_s"),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: KEY("key", SECRET, created_ms="now"), "created_ms"),
        (lambda: KEY("key", SECRET + "\n"), "API secret"),
        (lambda: KEY("key\r\nx", SECRET), "API key"),
        (lambda: KEY(5, SECRET), "API key"),
        (lambda: CLIENT.sim(seed="x"), "seed"),
        (lambda: CLIENT.sim(sim_limits="all"), "sim_limits"),
        (lambda: CLIENT.sim(sim_faults="no"), "sim_faults"),
        (lambda: CLIENT.sim(tape="a\0"), "tape"),
        (lambda: CLIENT.accounts(5), "accounts"),
        (lambda: CLIENT.accounts({"a\n": CREDENTIALS}), "accounts"),
        (lambda: CLIENT.accounts({"a": SECRET}), "credentials"),
        (lambda: CLIENT.from_keys(watch_s="x"), "watch_s"),
        (lambda: CLIENT.from_keys("a\n"), "name"),
        (lambda: CLIENT.from_keys(store=5), "store"),
    ),
)
async def test_wrong_setting_of_what_a_client_is_given_is_refused(make: Callable[[], object], name: str) -> None:
    refused(make, name)


async def test_good_settings_are_taken() -> None:
    network = NetworkSettings(
        connections=100, local_address="127.0.0.1", tls=ssl.create_default_context(), timeouts=Timeouts(1, 2.5, 3)
    )
    orders = OrderSettings(settle_s=1, id_prefix="bot-1", check_rules=False)
    streams = StreamSettings(per_socket=30, timing=Timing(ping_s=5))
    alarms = AlarmSettings(known_prefixes=("web",), factor=5, halt=True)
    async with Mexc(CREDENTIALS, network=network, orders=orders, streams=streams, alarms=alarms, prepared=Prepared()):
        pass
    assert msgspec.structs.replace(network, connections=1).connections == 1
