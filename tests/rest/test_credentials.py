"""Credentials never show the secret: not in a repr, a log, an error or a pickle."""

from __future__ import annotations

import copy
import pickle
import pprint
import traceback
from typing import Any

import pytest

from mexc_async.errors import ConfigError, MexcError, MissingCredentials
from mexc_async.keys.environment import KEY_VARIABLE, SECRET_VARIABLE, from_environment
from mexc_async.rest.credentials import Credentials
from mexc_async.rest.signing import Signer

KEY = "mx0aBYs33eIilxBWC5"
SECRET = "45d0b3c26f2644f19bfb98b07741b2f5"


def test_credentials_sign_with_their_secret() -> None:
    credentials = Credentials(KEY, SECRET)
    assert credentials.api_key == KEY
    assert credentials.signer.sign(b"text") == Signer(SECRET.encode()).sign(b"text")


def test_no_view_of_credentials_holds_the_secret() -> None:
    credentials = Credentials(KEY, SECRET)
    attributes = [getattr(credentials, name) for name in dir(credentials)]
    signer = [getattr(credentials.signer, name) for name in dir(credentials.signer)]
    views = [repr(credentials), str(credentials), f"{credentials}", f"{credentials!r:>50}", pprint.pformat(credentials)]
    for view in [*views, *map(repr, attributes), *map(repr, signer)]:
        assert SECRET not in view
        assert SECRET.encode().hex() not in view
    assert not hasattr(credentials, "__dict__")


def test_repr_shows_only_the_ends_of_the_key() -> None:
    assert repr(Credentials(KEY, SECRET)) == "Credentials(mx0aB...C5)"
    assert KEY not in repr(Credentials(KEY, SECRET))
    assert repr(Credentials("short", SECRET)) == "Credentials(***)"


@pytest.mark.parametrize("attempt", [pickle.dumps, copy.copy, copy.deepcopy])
def test_credentials_are_not_pickled_or_copied(attempt: Any) -> None:
    with pytest.raises(TypeError, match="not pickled") as raised:
        attempt(Credentials(KEY, SECRET))
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("pasted", [f" {SECRET}", f"{SECRET} ", f"{SECRET}\n", f"\t{SECRET}", f"\u00a0{SECRET}"])
def test_white_space_around_a_pasted_secret_is_refused_and_said_to_be_there(pasted: str) -> None:
    with pytest.raises(ConfigError, match="API secret begins or ends with white space") as raised:
        Credentials(KEY, pasted)
    text = "".join(traceback.format_exception(raised.value)) + repr(raised.value)
    assert SECRET not in text
    with pytest.raises(ConfigError, match="API key begins or ends with white space"):
        Credentials(f"{KEY}\n", SECRET)


@pytest.mark.parametrize(
    ("key", "secret", "kind", "message"),
    [
        ("", SECRET, MissingCredentials, "the API key is empty"),
        (KEY, "", MissingCredentials, "the API secret is empty"),
        (KEY, f"{SECRET[:9]} {SECRET[9:]}", ConfigError, "the API secret has white space inside"),
        (KEY, f"{SECRET}\u200b", ConfigError, "the API secret holds characters that MEXC's keys never have"),
        (KEY, f"{SECRET}é", ConfigError, "the API secret holds characters"),
        (KEY, f"{SECRET}\x00", ConfigError, "the API secret holds characters"),
        (KEY, SECRET.encode(), ConfigError, "the API secret must be text, not bytes"),
        (None, SECRET, ConfigError, "the API key must be text, not NoneType"),
    ],
)
def test_parts_that_cannot_be_right_are_refused(key: Any, secret: Any, kind: type[MexcError], message: str) -> None:
    with pytest.raises(kind, match=message) as raised:
        Credentials(key, secret)
    assert isinstance(raised.value, ValueError)
    assert SECRET not in "".join(traceback.format_exception(raised.value))
    assert "\n" not in str(raised.value)


def test_environment_holds_the_credentials() -> None:
    credentials = from_environment({KEY_VARIABLE: KEY, SECRET_VARIABLE: SECRET})
    assert credentials.api_key == KEY
    assert (KEY_VARIABLE, SECRET_VARIABLE) == ("MEXC_API_KEY", "MEXC_API_SECRET")


@pytest.mark.parametrize(
    ("environ", "missing"),
    [
        ({}, "MEXC_API_KEY and MEXC_API_SECRET not set"),
        ({KEY_VARIABLE: KEY}, "MEXC_API_SECRET not set"),
        ({KEY_VARIABLE: KEY, SECRET_VARIABLE: ""}, "MEXC_API_SECRET not set"),
        ({SECRET_VARIABLE: SECRET}, "MEXC_API_KEY not set"),
    ],
)
def test_missing_variable_is_named(environ: dict[str, str], missing: str) -> None:
    with pytest.raises(MissingCredentials, match=f"^{missing}") as raised:
        from_environment(environ)
    assert SECRET not in str(raised.value)


def test_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    monkeypatch.setenv(SECRET_VARIABLE, SECRET)
    assert from_environment().api_key == KEY
