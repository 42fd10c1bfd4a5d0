"""Who sent a request: key, address, time, signature and permission, checked from outside with the stdlib's hmac."""

from __future__ import annotations

import hmac
from hashlib import sha256

from mexc_async.sim.accounts import Account
from mexc_async.sim.parameters import Received
from mexc_async.sim.refusals import Refusal, illegal, missing

RECV_WINDOW_MS = 5000
LONGEST_RECV_WINDOW_MS = 60_000
FUTURE_MS = 1000


def check_key(account: Account | None, api_key: str, ip: str) -> Account:
    """The account of the key. Raises Refusal 400, 10072 or 700006."""
    if not api_key:
        raise Refusal(400, "api key required")
    if account is None:
        raise Refusal(10072, "Api key info invalid")
    if account.ips and ip not in account.ips:
        raise Refusal(700006, f"IP [{ip}] not in the ip white list")
    return account


def check_time(received: Received, now_ms: int) -> None:
    """The time stamp is there and inside the window. Raises Refusal 700003, 700004, 700005 or 700008."""
    parameters = received.parameters
    if parameters.optional("signature") is None:
        raise missing("signature")
    if parameters.optional("timestamp") is None:
        raise missing("timestamp")
    timestamp = parameters.integer("timestamp")
    window = parameters.integer("recvWindow")
    if window is not None and window > LONGEST_RECV_WINDOW_MS:
        raise Refusal(700005, "recvWindow must less than 60000")
    if timestamp is None or (window is not None and window <= 0):
        raise illegal("recvWindow")
    if not (timestamp < now_ms + FUTURE_MS and now_ms - timestamp <= (window or RECV_WINDOW_MS)):
        raise Refusal(700003, "Timestamp for this request is outside of the recvWindow.")


def check_signature(received: Received, account: Account) -> None:
    """The signature is the lower-case hex HMAC-SHA256 of the text as received. Raises Refusal 700002."""
    expected = hmac.new(account.spec.api_secret.encode(), received.signed_text, sha256).hexdigest()
    sent = received.parameters.text("signature").encode("utf-8", "surrogateescape")
    if not (received.is_well_encoded and hmac.compare_digest(expected.encode(), sent)):
        raise Refusal(700002, "Signature for this request is not valid.")


def check_permission(account: Account, permission: str | None) -> None:
    """The key may do this. Raises Refusal 700007."""
    if permission is not None and permission not in account.spec.permissions:
        raise Refusal(700007, "No permission to access the endpoint.")
