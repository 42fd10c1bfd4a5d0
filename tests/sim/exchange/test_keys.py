"""API keys without an IP list expire after 90 days."""

from __future__ import annotations

import pytest

from mexc_async.sim.exchange.accounts import AccountSpec, BadAccounts, WithdrawAddress, check_accounts
from mexc_async.sim.exchange.keys import MAX_KEYS, PERMANENT, KeyRing, read_ips, read_permissions
from mexc_async.sim.exchange.refusals import Refusal
from mexc_async.sim.rest.background import BackgroundSimulator
from mexc_async.sim.rest.server import SimConfig, Simulator, main_account
from tests.support.naive_client import NaiveClient

DAY = 86_400_000
NOW = 1_700_000_000_000


def test_a_key_ends_after_ninety_days_unless_it_is_bound() -> None:
    ring = KeyRing(1)
    key = ring.issue("1", permissions=("SPOT_ACCOUNT_READ",), ips=(), note="n", now_ms=NOW)
    assert key.remaining_days(NOW) == 90
    assert key.remaining_days(NOW + DAY) == 89
    assert not key.has_ended(NOW + 90 * DAY - 1)
    assert key.has_ended(NOW + 90 * DAY)
    key.ips = ("127.0.0.1",)
    assert key.remaining_days(NOW + 900 * DAY) == PERMANENT
    assert not key.has_ended(NOW + 900 * DAY)


def test_an_account_has_thirty_keys_at_most() -> None:
    ring = KeyRing(1)
    made = [ring.issue("1", permissions=(), ips=(), note="n", now_ms=NOW) for _ in range(MAX_KEYS)]
    with pytest.raises(Refusal, match="730705"):
        ring.issue("1", permissions=(), ips=(), note="n", now_ms=NOW)
    ring.delete("1", made[0].key)
    assert ring.find(made[0].key) is None
    with pytest.raises(Refusal, match="730706"):
        ring.delete("2", made[1].key)
    assert ring.issue("1", permissions=(), ips=(), note="n", now_ms=NOW).key not in {key.key for key in made}


@pytest.mark.parametrize(("text", "code"), [(None, 730701), ("", 730701), ("SPOT_FLY", 730702)])
def test_permissions_must_be_known(text: str | None, code: int) -> None:
    with pytest.raises(Refusal, match=str(code)):
        read_permissions(text, ("SPOT_ACCOUNT_READ",))


@pytest.mark.parametrize(("text", "code"), [("1.2.3", 730704), (",".join(["1.2.3.4"] * 21), 730703)])
def test_addresses_must_be_addresses(text: str, code: int) -> None:
    with pytest.raises(Refusal, match=str(code)):
        read_ips(text)


def test_an_old_key_is_refused_as_if_wrongly_signed() -> None:
    old = AccountSpec(name="old", api_key="k-old", api_secret="s-old", key_age_days=90.5)
    bound = AccountSpec(name="bound", api_key="k-bound", api_secret="s-bound", key_age_days=400, ips=("127.0.0.1",))
    nearly = AccountSpec(name="nearly", api_key="k-nearly", api_secret="s-nearly", key_age_days=89.5)
    accounts = (main_account(), old, bound, nearly)
    with BackgroundSimulator(SimConfig(limits="none", flow=0, accounts=accounts)) as simulator:
        for spec, status in ((old, 400), (bound, 200), (nearly, 200)):
            client = NaiveClient(simulator.rest, spec.api_key, spec.api_secret)
            reply = client.call("GET", "/api/v3/apiKeyInfo", accessKey=spec.api_key)
            client.close()
            assert reply.status == status, spec.name
            assert reply.body.get("code") == (700002 if status == 400 else None)
            if status == 200:
                assert reply.body["remainingValidity"] == (PERMANENT if spec.ips else 1)


def test_key_info_of_anothers_key_is_refused(mexc_sim: BackgroundSimulator) -> None:
    client = NaiveClient(mexc_sim.rest, mexc_sim.api_key, mexc_sim.api_secret)
    assert client.call("GET", "/api/v3/apiKeyInfo", accessKey="mx0nobody").code == 730706
    assert client.call("GET", "/api/v3/apiKeyInfo").code == 730707
    client.close()


def test_bad_descriptions_are_refused() -> None:
    spec = AccountSpec(name="a", api_key="k", api_secret="s", invited_by="nobody")
    with pytest.raises(BadAccounts, match="does not name an earlier account"):
        check_accounts((spec,))
    with pytest.raises(BadAccounts, match="key_age_days -1"):
        check_accounts((AccountSpec(name="a", api_key="k", api_secret="s", key_age_days=-1),))


def test_an_address_book_names_networks_that_there_are() -> None:
    nowhere = WithdrawAddress(coin="USDT", network="NOPE", address="x")
    spec = AccountSpec(name="a", api_key="k", api_secret="s", withdraw_addresses=(nowhere,))
    with pytest.raises(BadAccounts, match="account 'a': withdraw address of 'USDT' on 'NOPE'"):
        Simulator(SimConfig(accounts=(spec,)))
