"""API keys: what each may do, from which addresses, and until when. The time is passed in."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from random import Random
from string import ascii_letters, digits, hexdigits

from mexc_async.sim.refusals import Refusal

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
VALID_DAYS = 90
MAX_KEYS = 30
MAX_IPS = 20
_DAY_MS = 86_400_000
_HEX = hexdigits[:16]


class ApiKey:
    """One key of one account."""

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
        """Addresses that may use it; empty for any."""
        self.note = note
        self.created_ms = created_ms

    def __repr__(self) -> str:
        return f"ApiKey({self.key!r}, account={self.account!r})"

    def remaining_days(self, now_ms: int) -> int:
        """Whole days until it ends, 0 when it has ended, -999 for a key that is bound to addresses."""
        if self.ips:
            return PERMANENT
        return max(0, VALID_DAYS - (now_ms - self.created_ms) // _DAY_MS)

    def has_ended(self, now_ms: int) -> bool:
        """Whether it was open to every address for too long."""
        return self.remaining_days(now_ms) == 0

    def set_age(self, days: float, now_ms: int) -> None:
        """Make it so old."""
        self.created_ms = now_ms - int(days * _DAY_MS)


class KeyRing:
    """Every account's keys."""

    def __init__(self, seed: int) -> None:
        self._random = Random(f"{seed}:api keys")
        self._keys: dict[str, ApiKey] = {}

    def add(self, key: ApiKey) -> None:
        """Take in a key that was made elsewhere. Raises ValueError when it is taken."""
        if key.key in self._keys:
            raise ValueError(f"key {key.key!r} is taken")
        self._keys[key.key] = key

    def issue(
        self, account: str, *, permissions: tuple[str, ...], ips: tuple[str, ...], note: str, now_ms: int
    ) -> ApiKey:
        """Make a new key. Raises Refusal 730705 when the account has too many."""
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
        """The key, if there is such a one."""
        return self._keys.get(key)

    def of(self, account: str) -> list[ApiKey]:
        """The account's keys, oldest first."""
        return [key for key in self._keys.values() if key.account == account]

    def owned(self, accounts: Iterable[str], key: str) -> ApiKey:
        """The key of one of these accounts. Raises Refusal 730706."""
        found = self._keys.get(key)
        if found is None or found.account not in accounts:
            raise Refusal(730706, "The API key does not exist.")
        return found

    def delete(self, account: str, key: str) -> None:
        """End a key at once. Raises Refusal 730706."""
        del self._keys[self.owned((account,), key).key]


def read_permissions(text: str | None, allowed: tuple[str, ...]) -> tuple[str, ...]:
    """A comma-separated list of permissions. Raises Refusal 730701 or 730702."""
    if not text:
        raise Refusal(730701, "API key permissions are required.")
    permissions = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    if not all(permission in allowed for permission in permissions):
        raise Refusal(730702, "API key permission error.")
    return permissions


def read_ips(text: str | None, most: int = MAX_IPS) -> tuple[str, ...]:
    """A comma-separated list of addresses, empty for none. Raises Refusal 730703 or 730704."""
    if not text:
        return ()
    ips = tuple(part.strip() for part in text.split(","))
    if len(ips) > most:
        raise Refusal(730703, f"At most {most} addresses.")
    if not all(map(_is_ip, ips)):
        raise Refusal(730704, "Wrong address format.")
    return ips


def read_note(text: str | None) -> str:
    """A key's remark. Raises Refusal 730700."""
    if not text:
        raise Refusal(730700, "API key note is required.")
    return text


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
