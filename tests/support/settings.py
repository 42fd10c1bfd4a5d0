"""Client settings by their own names, whatever group they stand in."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from mexc_async.client.settings import NetworkSettings
from mexc_async.orders.tracker import OrderSettings
from mexc_async.streams.router import StreamSettings

_ORDERS = {"order_id_prefix": "id_prefix", "check_rules": "check_rules"}
_STREAMS = {"ws_library": "library"}


def flat(**options: Any) -> dict[str, Any]:
    """Return settings of `Mexc` from options such as `retry=` and `check_rules=`, each put into its group."""
    network = {name: options.pop(name) for name in NetworkSettings.__struct_fields__ if name in options}
    orders = {own: options.pop(name) for name, own in _ORDERS.items() if name in options}
    streams = {own: options.pop(name) for name, own in _STREAMS.items() if name in options}
    if network:
        options["network"] = replace(options.get("network", NetworkSettings()), **network)
    if orders:
        options["orders"] = replace(options.get("orders", OrderSettings()), **orders)
    if streams:
        options["streams"] = replace(options.get("streams", StreamSettings()), **streams)
    return options
