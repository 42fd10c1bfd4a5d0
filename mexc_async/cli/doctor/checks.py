"""The checks of `mexc-async doctor`. They only read, and each yields a finding."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from statistics import median
from urllib.parse import urlsplit

import msgspec

from mexc_async.client.mexc import Mexc
from mexc_async.errors import (
    ADVICE_ENDED_KEY,
    ADVICE_IP_LIST,
    ADVICE_LOST_SECRET,
    ADVICE_PERMISSION,
    ADVICE_REACH,
    ADVICE_SYMBOL,
    ADVICE_TIMESTAMP,
    ADVICE_UNVERIFIED,
    ADVICE_WITHDRAW,
    IpNotAllowed,
    MexcError,
    MissingCredentials,
    PermissionDenied,
    TransportError,
)
from mexc_async.keys.allow_ip import address_in, addresses, is_public
from mexc_async.rest.credentials import Credentials, age_advice
from mexc_async.runtime.clock import SYSTEM
from mexc_async.spot.account import ApiKeyInfo
from mexc_async.spot.enums import KeyStatus, KycStatus
from mexc_async.transport.urls import proxy_for

CONNECT_S = 4.0
"""Seconds for a connection, and for a name: the whole of `doctor` without a network takes less than 5 s."""
PINGS = 5
SLOW_CLOCK_MS = 1000.0
"""MEXC refuses time stamps this far ahead, so clients that do not correct their clock fail."""
FEW_DAYS = 15
FOR_TRADING = ("SPOT_ACCOUNT_READ", "SPOT_DEAL_READ", "SPOT_DEAL_WRITE")
WITHDRAW = "SPOT_WITHDRAW_WRITE"

OK, WARNING, FAILED, SKIPPED, NOTE = "ok", "warning", "failed", "skipped", "note"


class Finding(msgspec.Struct, frozen=True):
    """The result of one check."""

    check: str
    status: str
    """`ok`, `warning`, `failed`, `skipped` (the check could not run) or `note`."""
    text: str
    advice: str | None = None
    """The remedy, in one sentence."""


async def findings(mexc: Mexc, credentials: Credentials | None) -> AsyncIterator[Finding]:
    """Run every check in turn; `mexc` is open and uses these credentials."""
    reached, alive = await asyncio.gather(_reach(mexc.rest), _alive(mexc))  # together, since each may time out
    for finding in reached:
        yield finding
    if alive.status == FAILED:
        yield alive
        yield Finding("key", SKIPPED, "the key cannot be checked while the exchange is unreachable")
    else:
        yield alive
        yield await _clock(mexc)
        if credentials is None:
            lacking = MissingCredentials("no key was given")
            yield Finding("key", FAILED, "no API key was given: orders and the account need one", lacking.advice)
        else:
            async for finding in _key(mexc, credentials):
                yield finding
    yield Finding("lost secret", NOTE, "if the secret is lost: mexc-async keys rotate NAME", ADVICE_LOST_SECRET)
    table = ", ".join(f"{limit.name} {limit.budget} in {limit.window_s:g} s" for limit in mexc.limits.limits.table)
    yield Finding("limits", NOTE, f"profile {mexc.limits.limits.profile}: {table or 'none'}")


async def _reach(rest: str) -> list[Finding]:
    """Time a connection to each address of the exchange's host name."""
    url = urlsplit(rest)
    host, is_tls = url.hostname or "", url.scheme == "https"
    if (proxy := proxy_for(rest, None, True)) is not None:
        return [
            Finding("addresses", NOTE, f"reached through the proxy {urlsplit(proxy).hostname}, which resolves them")
        ]
    try:
        port = url.port or (443 if is_tls else 80)
        async with asyncio.timeout(CONNECT_S):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        return [
            Finding(
                "addresses", FAILED, f"{host} cannot be resolved: {error.strerror or 'no answer in time'}", ADVICE_REACH
            )
        ]
    unique = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    return list(await asyncio.gather(*(_connect(address, port, host if is_tls else None) for address in unique)))


async def _connect(address: str, port: int, tls_name: str | None) -> Finding:
    check = f"address {address}"
    began = SYSTEM.monotonic()
    try:
        async with asyncio.timeout(CONNECT_S):
            tls = ssl.create_default_context() if tls_name else None
            _, writer = await asyncio.open_connection(address, port, ssl=tls, server_hostname=tls_name)
    except TimeoutError:
        return Finding(check, WARNING, f"no connection within {CONNECT_S:g} s", ADVICE_REACH)
    except OSError as error:
        return Finding(check, WARNING, f"no connection: {error.strerror or error}", ADVICE_REACH)
    took = 1000 * (SYSTEM.monotonic() - began)
    writer.close()
    return Finding(check, OK, f"connected{' with TLS' if tls_name else ''} in {took:.1f} ms")


async def _alive(mexc: Mexc) -> Finding:
    taken = []
    try:
        for _ in range(PINGS + 1):  # the first opens the connection
            began = SYSTEM.monotonic()
            await mexc.spot.ping()
            taken.append(1000 * (SYSTEM.monotonic() - began))
    except MexcError as error:
        return Finding("exchange", FAILED, _brief(error), error.advice)
    best, typical = min(taken[1:]), median(taken[1:])
    return Finding("exchange", OK, f"answers in {typical:.1f} ms (best {best:.1f}, first {taken[0]:.1f})")


async def _clock(mexc: Mexc) -> Finding:
    try:
        await mexc.sync_clock()
    except MexcError as error:
        return Finding("clock", FAILED, _brief(error), error.advice)
    offset, bound = mexc.clock.offset_ms, mexc.clock.error_ms or 0.0
    side = "ahead of" if offset < 0 else "behind"
    text = f"this machine's clock is {abs(offset):.0f} ms {side} the exchange's (within {bound:.0f} ms)"
    if abs(offset) - bound >= SLOW_CLOCK_MS:
        return Finding("clock", WARNING, f"{text}; this SDK corrects that, others do not", ADVICE_TIMESTAMP)
    return Finding("clock", OK, text)


async def _key(mexc: Mexc, credentials: Credentials) -> AsyncIterator[Finding]:
    yield _known(credentials, mexc.clock.now_ms())
    signature = await _signature(mexc)
    for finding in signature:
        yield finding
    if signature[-1].status == FAILED:
        yield Finding("account", SKIPPED, "this key cannot be checked further from here")
        return
    try:
        info = await mexc.spot.api_key_info(access_key=credentials.api_key)
    except MexcError as error:
        yield Finding("permissions", FAILED, f"cannot be read: {_brief(error)}", error.advice)
    else:
        for finding in (*_permissions(info), *_ip_list(info, mexc.is_sim), _age(info, mexc.clock.now_ms())):
            yield finding
    yield await _identity(mexc)
    yield await _symbols(mexc)


def _known(credentials: Credentials, now_ms: int) -> Finding:
    """Check the stored key's age: the exchange refuses an expired key and a wrong secret alike."""
    days = credentials.age_days(now_ms)
    if days is None or (advice := age_advice(days)) is None:
        return Finding("key", NOTE, credentials.masked_key)
    return Finding("key", WARNING, f"{credentials.masked_key}: {advice}", ADVICE_ENDED_KEY)


async def _signature(mexc: Mexc) -> list[Finding]:
    """Send a signed call; if the IP list refuses this machine, say so instead of judging the signature."""
    try:
        await mexc.spot.uid()
    except IpNotAllowed as error:
        seen = address_in(error)
        text = f"this machine's address {seen or ''} is not on the key's IP list".replace("  ", " ")
        how = "mexc-async keys allow-ip NAME --through OTHER --for 2h adds it for a while"
        return [
            Finding("signature", SKIPPED, "not checked: the exchange checks the address first"),
            Finding("this machine", FAILED, f"{text}; {how}", error.advice),
        ]
    except PermissionDenied as error:
        return [
            Finding("signature", OK, "accepted"),
            Finding("permissions", FAILED, "the key may not read the account (SPOT_ACCOUNT_READ)", error.advice),
        ]
    except TransportError as error:
        return [Finding("signature", FAILED, _brief(error), error.advice)]
    except MexcError as error:
        return [Finding("signature", FAILED, _brief(error), error.advice)]
    return [Finding("signature", OK, "accepted")]


def _permissions(info: ApiKeyInfo) -> list[Finding]:
    if info.permissions is None:
        return [Finding("permissions", WARNING, "the exchange does not name them", ADVICE_PERMISSION)]
    has = addresses(info.permissions)
    found = [Finding("permissions", OK, ", ".join(has) or "none")]
    if WITHDRAW in has:
        found.append(
            Finding(
                "withdrawals", WARNING, "THE KEY MAY WITHDRAW: anyone who holds it can take the money", ADVICE_WITHDRAW
            )
        )
    if lacking := [name for name in FOR_TRADING if name not in has]:
        found.append(
            Finding("trading", WARNING, f"THE KEY CANNOT TRADE: it lacks {', '.join(lacking)}", ADVICE_PERMISSION)
        )
    if info.status not in (None, KeyStatus.VALID):
        found.append(Finding("state", FAILED, f"the key is {info.status}", ADVICE_ENDED_KEY))
    return found


def _ip_list(info: ApiKeyInfo, is_sim: bool) -> list[Finding]:
    listed = addresses(info.ip_white_list)
    if not listed:
        return [
            Finding("IP list", WARNING, "EVERY ADDRESS MAY USE THE KEY, and it expires after 90 days", ADVICE_IP_LIST)
        ]
    found = [Finding("IP list", OK, ", ".join(listed)), Finding("this machine", OK, "is on the IP list")]
    never = [address for address in listed if not is_public(address)]
    if never and not is_sim:
        text = f"private addresses, which the exchange never sees: {', '.join(never)}"
        found.insert(1, Finding("private addresses", WARNING, text, ADVICE_IP_LIST))
    return found


def _age(info: ApiKeyInfo, now_ms: int) -> Finding:
    days = Credentials("key", "secret", created_ms=info.create_time).age_days(now_ms) or 0
    left = info.remaining_validity
    if left is None:
        return Finding("age", NOTE, f"{days} days; the exchange does not say how many are left")
    text = f"{days} days" + (f", {left} left" if left >= 0 else ", never expires")
    if left == 0:
        return Finding("age", FAILED, text, ADVICE_ENDED_KEY)
    if 0 < left <= FEW_DAYS or age_advice(days):
        return Finding("age", WARNING, f"{text}: rotate it", ADVICE_ENDED_KEY)
    return Finding("age", OK, text)


async def _identity(mexc: Mexc) -> Finding:
    try:
        level = (await mexc.spot.kyc_status()).status
    except MexcError as error:
        return Finding("identity check", FAILED, _brief(error), error.advice)
    if level is KycStatus.UNVERIFIED:
        return Finding("identity check", WARNING, "not done: orders may be refused", ADVICE_UNVERIFIED)
    return Finding("identity check", OK, level.name.lower() if level.is_known else str(level))


async def _symbols(mexc: Mexc) -> Finding:
    try:
        names = (await mexc.spot.self_symbols()).data
    except MexcError as error:
        return Finding("symbols", FAILED, _brief(error), error.advice)
    if not names:
        return Finding("symbols", WARNING, "this key may trade no symbol by API", ADVICE_SYMBOL)
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return Finding("symbols", OK, f"{len(names)} may be traded: {', '.join(names[:8])}{more}")


def _brief(error: MexcError) -> str:
    """Format an error without its advice, which has a field of its own."""
    code = f"{error.code} " if error.code is not None else ""
    return f"{type(error).__name__}: {code}{error.message}"
