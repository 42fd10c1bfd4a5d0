"""Checks of a request's sender: key, IP address, time stamp, signature and permission.

The signature is checked with the standard library's hmac, independently of the client's own signing code.
"""

from __future__ import annotations

import hmac
from hashlib import sha256

from mexc_async.sim.exchange import assumptions
from mexc_async.sim.exchange.accounts import Account
from mexc_async.sim.exchange.keys import ApiKey
from mexc_async.sim.exchange.refusals import Refusal, illegal, missing
from mexc_async.sim.rest.parameters import Received

RECV_WINDOW_MS = 5000
"""MEXC's default recvWindow."""
LONGEST_RECV_WINDOW_MS = 60_000
FUTURE_MS = 1000
"""A time stamp must be less than this ahead of the exchange's clock."""


def check_key(key: ApiKey | None, sent: str, ip: str) -> ApiKey:
    """Return `key` if it exists and may be used from `ip`. Raises Refusal 400, 10072 or 700006."""
    if not sent:
        raise Refusal(400, "api key required")
    if key is None:
        raise Refusal(10072, "Api key info invalid")
    if key.ips and ip not in key.ips:
        raise Refusal(700006, f"IP [{ip}] not in the ip white list")
    return key


def check_time(received: Received, now_ms: int) -> None:
    """Check that the time stamp lies inside recvWindow. Raises Refusal 700003, 700004, 700005 or 700008."""
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


def check_signature(received: Received, key: ApiKey, now_ms: int) -> None:
    """Check the signature: lower-case hex HMAC-SHA256 of the text as received. Raises Refusal 700002.

    An expired key gets the same code: MEXC's table of errors lists it there.
    """
    expected = hmac.new(key.secret.encode(), received.signed_text, sha256).hexdigest()
    sent = received.parameters.text("signature").encode("utf-8", "surrogateescape")
    is_right = received.is_well_encoded and hmac.compare_digest(expected.encode(), sent)
    if not is_right or key.has_ended(now_ms):
        raise Refusal(700002, "Signature for this request is not valid.")


def check_permission(key: ApiKey, permission: str | None) -> None:
    """Check that the key has the permission. Raises Refusal 700007."""
    if permission is not None and permission not in key.permissions:
        raise Refusal(700007, "No permission to access the endpoint.")


def check_account(account: Account) -> None:
    """Check that the account is not frozen. Raises Refusal 730100."""
    if account.is_frozen:
        raise Refusal(assumptions.FROZEN_ACCOUNT, "User status is abnormal.")
