"""API keys: permissions, IP addresses and expiry. The time is an argument."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from random import Random
from string import ascii_letters, digits, hexdigits

from mexc_async.sim.exchange.refusals import Refusal

SUB_ACCOUNT_PERMISSIONS = (
    "SPOT_ACCOUNT_READ",
    "SPOT_ACCOUNT_WRITE",
    "SPOT_DEAL_READ",
    "SPOT_DEAL_WRITE",
    "SPOT_TRANSFER_READ",
    "SPOT_TRANSFER_WRITE",
    "CONTRACT_ACCOUNT_READ",
    "CONTRACT_ACCOUNT_WRITE",
    "CONTRACT_DEAL_READ",
    "CONTRACT_DEAL_WRITE",
)
"""Permissions that a sub-account's key may have."""
MONEY_OUT = ("SPOT_WITHDRAW_READ", "SPOT_WITHDRAW_WRITE", "SPOT_DEPOSIT_READ", "SPOT_DEPOSIT_WRITE")
ALL_PERMISSIONS = (*SUB_ACCOUNT_PERMISSIONS, *MONEY_OUT)

PERMANENT = -999
"""MEXC's remainingValidity of a key that does not expire."""
VALID_DAYS = 90
"""Life of a key without an IP list."""
MAX_KEYS = 30
MAX_IPS = 20
_DAY_MS = 86_400_000
_HEX = hexdigits[:16]


class ApiKey:
    """One API key of an account."""

    __slots__ = ("account", "created_ms", "ips", "key", "note", "permissions", "secret")

    def __init__(
        self,
        key: str,
        secret: str,
        *,
        account: str,
        permissions: tuple[str, ...],
        ips: tuple[str, ...],
        note: str,
        created_ms: int,
    ) -> None:
        self.key = key
        self.secret = secret
        self.account = account
        """The owner's uid."""
        self.permissions = permissions
        self.ips = ips
        """IP addresses that may use the key; empty for any."""
        self.note = note
        self.created_ms = created_ms

    def __repr__(self) -> str:
        return f"ApiKey({self.key!r}, account={self.account!r})"

    def remaining_days(self, now_ms: int) -> int:
        """Return the whole days until the key expires: 0 if it has expired, -999 for a key with an IP list."""
        if self.ips:
            return PERMANENT
        return max(0, VALID_DAYS - (now_ms - self.created_ms) // _DAY_MS)

    def has_ended(self, now_ms: int) -> bool:
        """Return True if the key has no IP list and is 90 days old."""
        return self.remaining_days(now_ms) == 0

    def set_age(self, days: float, now_ms: int) -> None:
        """Set the key's age in days."""
        self.created_ms = now_ms - int(days * _DAY_MS)


class KeyRing:
    """All API keys of the exchange."""

    def __init__(self, seed: int) -> None:
        self._random = Random(f"{seed}:api keys")
        self._keys: dict[str, ApiKey] = {}

    def add(self, key: ApiKey) -> None:
        """Add an existing key. Raises ValueError if its name is in use."""
        if key.key in self._keys:
            raise ValueError(f"key {key.key!r} is in use")
        self._keys[key.key] = key

    def issue(
        self, account: str, *, permissions: tuple[str, ...], ips: tuple[str, ...], note: str, now_ms: int
    ) -> ApiKey:
        """Create a new key. Raises Refusal 730705 for an account with 30 keys."""
        if len(self.of(account)) >= MAX_KEYS:
            raise Refusal(730705, f"At most {MAX_KEYS} API keys.")
        made = ApiKey(
            "mx0" + "".join(self._random.choices(ascii_letters + digits, k=15)),
            "".join(self._random.choices(_HEX, k=32)),
            account=account,
            permissions=permissions,
            ips=ips,
            note=note,
            created_ms=now_ms,
        )
        self.add(made)
        return made

    def find(self, key: str) -> ApiKey | None:
        """Return the key, or None for an unknown one."""
        return self._keys.get(key)

    def of(self, account: str) -> list[ApiKey]:
        """Return the account's keys, oldest first."""
        return [key for key in self._keys.values() if key.account == account]

    def owned(self, accounts: Iterable[str], key: str) -> ApiKey:
        """Return the key if one of these accounts owns it. Raises Refusal 730706."""
        found = self._keys.get(key)
        if found is None or found.account not in accounts:
            raise Refusal(730706, "The API key does not exist.")
        return found

    def delete(self, account: str, key: str) -> None:
        """Delete a key, effective at once. Raises Refusal 730706."""
        del self._keys[self.owned((account,), key).key]


def read_permissions(text: str | None, allowed: tuple[str, ...]) -> tuple[str, ...]:
    """Parse a comma-separated list of permissions. Raises Refusal 730701 (empty) or 730702 (not allowed)."""
    if not text:
        raise Refusal(730701, "API key permissions are required.")
    permissions = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    if not all(permission in allowed for permission in permissions):
        raise Refusal(730702, "API key permission error.")
    return permissions


def read_ips(text: str | None, most: int = MAX_IPS) -> tuple[str, ...]:
    """Parse a comma-separated list of IP addresses; empty for any. Raises Refusal 730703 or 730704."""
    if not text:
        return ()
    ips = tuple(part.strip() for part in text.split(","))
    if len(ips) > most:
        raise Refusal(730703, f"At most {most} addresses.")
    if not all(map(_is_ip, ips)):
        raise Refusal(730704, "Wrong address format.")
    return ips


def read_note(text: str | None) -> str:
    """Return a key's note. Raises Refusal 730700 if it is empty."""
    if not text:
        raise Refusal(730700, "API key note is required.")
    return text


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
