"""Sub-accounts: a main account opens them, reads their balances and creates their keys."""

from __future__ import annotations

import re

from mexc_async.sim.exchange import assumptions
from mexc_async.sim.exchange.accounts import Account
from mexc_async.sim.exchange.exchange import Exchange
from mexc_async.sim.exchange.refusals import Refusal

MAX_SUB_ACCOUNTS = 30
_NAME = re.compile(r"[A-Za-z0-9]{8,32}")


class SubAccounts:
    """The sub-accounts of all main accounts. Those that an account opened as a broker are separate from its others."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def create(self, master: Account, name: str | None, note: str | None, now_ms: int, *, by_broker: bool) -> Account:
        """Open an empty sub-account. Raises Refusal 730600, 730601, 730602, 730101 or 730003."""
        if not name:
            raise Refusal(730600, "Sub-account Name cannot be null.")
        if not _NAME.fullmatch(name):
            raise Refusal(730601, "Sub-account Name must be a combination of 8-32 letters and numbers.")
        if not note:
            raise Refusal(730602, "Sub-account remark cannot be null.")
        if any(account.name == name for account in self._exchange.accounts.values()):
            raise Refusal(730101, "The user name already exists.")
        if not by_broker and len(self.of(master, by_broker=False)) >= MAX_SUB_ACCOUNTS:
            raise Refusal(assumptions.TOO_MANY_SUB_ACCOUNTS, f"At most {MAX_SUB_ACCOUNTS} sub-accounts.")
        account = Account(
            self._exchange.next_uid(),
            name,
            now_ms,
            maker_fee=master.maker_fee,
            taker_fee=master.taker_fee,
            kyc=master.kyc,
            is_broker=by_broker,
            master=master,
            note=note,
        )
        self._exchange.add_account(account, {})
        return account

    def of(self, master: Account, *, by_broker: bool) -> list[Account]:
        """Return the account's sub-accounts, oldest first."""
        every = self._exchange.accounts.values()
        return [each for each in every if each.master is master and each.is_broker is by_broker]

    def find(self, master: Account, name: str | None, *, by_broker: bool) -> Account:
        """Return the account's sub-account of this name. Raises Refusal 730600 or 140001."""
        if not name:
            raise Refusal(730600, "Sub-account Name cannot be null.")
        for account in self.of(master, by_broker=by_broker):
            if account.name == name:
                return account
        raise Refusal(140001, "The sub-account does not exist.")

    def named(self, name: str) -> Account:
        """Return the sub-account of this name, of any main account. Raises Refusal 140001."""
        for account in self._exchange.accounts.values():
            if account.master is not None and account.name == name:
                return account
        raise Refusal(140001, "The sub-account does not exist.")


def check_main(account: Account) -> None:
    """Raise Refusal 730003 for a sub-account."""
    if account.master is not None:
        raise Refusal(assumptions.NOT_A_MAIN_ACCOUNT, "Only the main account may do this.")
