"""Check of a new API key before it replaces the client's: the exchange accepts it, and it is of the same account."""

from __future__ import annotations

from mexc_async.errors import ApiError, ConfigError, IpNotAllowed, PermissionDenied
from mexc_async.rest.call import Options
from mexc_async.rest.credentials import Credentials
from mexc_async.rest.pipeline import Api
from mexc_async.spot.account import Uid, UidQuery


async def change_key(api: Api, new: Credentials, same_account: bool) -> Credentials:
    """Try a key and sign with it from now on; returns the former one. See `Mexc.replace_credentials`."""
    old = api.credentials
    if old is None:
        raise ConfigError("the client was opened without a key; open one with Mexc(credentials)")
    uid = await _uid(api.with_credentials(new), may_be_denied=same_account)
    if not same_account and uid != await _old_uid(api):
        raise ConfigError("the new key belongs to another account; open a client of its own for it")
    if api.credentials is not old:
        raise ConfigError("another call replaced the key meanwhile; this key is not used")
    api.sign_with(new)
    return old


async def _uid(api: Api, *, may_be_denied: bool) -> str | None:
    try:
        answer: Uid = await api.deliver(UidQuery(), Options())
        return answer.uid
    except PermissionDenied as error:
        if may_be_denied and not isinstance(error, IpNotAllowed):
            return None  # its signature was accepted, and that is what had to be known
        raise


async def _old_uid(api: Api) -> str | None:
    try:
        return await _uid(api, may_be_denied=False)
    except ApiError as error:
        raise ConfigError(
            f"the old key's account cannot be read any more ({type(error).__name__}), so the accounts cannot be "
            "compared; if both keys belong to one account, set same_account=True (keys rotate --same-account)"
        ) from error
