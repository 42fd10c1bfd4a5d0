"""An address on a key's IP list for a while, added through another key that may change the list."""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mexc_async.errors import ConfigError, IpNotAllowed, MexcError
from mexc_async.keys.shielded import shielded
from mexc_async.spot.api import Spot

MAX_ADDRESSES = 20
TRIES = 6
PAUSE_S = 1.0
"""Seconds before the second try; doubles with each try."""
_ADDRESS = re.compile(r"[0-9A-Fa-f:.]*[0-9A-Fa-f]")


def address_in(refusal: IpNotAllowed) -> str | None:
    """Return the address that the exchange saw, if its refusal names one."""
    for text in _ADDRESS.findall(refusal.message):
        try:
            return str(ipaddress.ip_address(text))
        except ValueError:
            continue
    return None


def addresses(ip_list: str | None) -> list[str]:
    """Split an IP list into its addresses."""
    return [part.strip() for part in (ip_list or "").split(",") if part.strip()]


def is_public(address: str) -> bool:
    """Return True for a public address or network, which the exchange can see; False for any other text."""
    try:
        return ipaddress.ip_network(address, strict=False).is_global
    except ValueError:
        return False


@asynccontextmanager
async def on_list(spot: Spot, api_key: str, address: str) -> AsyncIterator[list[str]]:
    """Add `address` to the IP list of `api_key`, and remove it at the end of the block, also after an error.

    `spot` belongs to a client whose key may change that list. Yields the list with the address. Raises ConfigError
    when the list has the address, is full, or is empty (the address would lock out all others), and MexcError.
    """
    before = addresses((await spot.api_key_info(access_key=api_key)).ip_white_list)
    if not before:
        raise ConfigError("the key has no IP list: every address may use it, and adding one would lock out the others")
    if address in before:
        raise ConfigError(f"{address} is on the key's IP list already")
    if len(before) >= MAX_ADDRESSES:
        raise ConfigError(f"the key's IP list is full: {len(before)} addresses")
    try:
        await spot.set_api_key_info(api_key=api_key, ip_white_list=",".join([*before, address]))
        yield [*before, address]
    finally:
        await shielded(_take_out(spot, api_key, address))


async def _take_out(spot: Spot, api_key: str, address: str) -> None:
    """Remove the address from the current list, which others may have changed. Retries failures, then raises."""
    pause_s = PAUSE_S
    for left in reversed(range(TRIES)):
        try:
            now = addresses((await spot.api_key_info(access_key=api_key)).ip_white_list)
            if address not in now:
                return
            if rest := [other for other in now if other != address]:
                await spot.set_api_key_info(api_key=api_key, ip_white_list=",".join(rest))
                return
            break
        except MexcError as error:
            if not left:
                raise MexcError(
                    f"{address} is still on the IP list of the key: remove it on MEXC's key page ({error})"
                ) from error
            await asyncio.sleep(pause_s)
            pause_s *= 2
    raise MexcError(
        f"{address} stays: it is the last on the key's IP list, and without it every address could use the key"
    )
