"""All errors of the SDK, in one tree.

    MexcError
    ├── ConfigError            the client is set up wrongly; nothing was sent                      (a ValueError)
    │   └── MissingCredentials no key or no secret where a call needs them
    ├── InvalidRequest         a parameter breaks a rule that the SDK checks; nothing was sent     (a ValueError)
    ├── ReadOnlyError          a call that changes something, on a read-only client; nothing was sent
    ├── WithdrawalsOff         a withdrawal without `allow_withdraw=True`; nothing was sent
    ├── ClientClosed           the client is closed; nothing was sent
    ├── TransportError         no answer
    │   ├── ConnectFailed      never reached the exchange
    │   ├── ConnectionLost     the connection ended before the answer was complete
    │   └── RequestTimeout     no complete answer in time
    ├── ProtocolError          an answer that cannot be decoded (HTML page, truncated, wrong type, redirect)
    ├── SubscriptionRefused    the exchange refused a channel
    ├── BookNotSynced          a live book is out of sync at present
    ├── StreamOverflow         a consumer that asked for `overflow="raise"` was too slow
    ├── OutcomeUnknown         a call that changes something ended without an answer: its outcome is unknown
    ├── OrderNotPlaced         no answer came to an order, and the exchange does not have it; safe to retry
    ├── TransferNotMade        no answer came to a transfer or withdrawal, and it does not exist; safe to retry
    ├── GuardRefused           an order breaks a pre-trade risk limit; nothing was sent            (a ValueError)
    ├── CallLogFailed          the call log cannot be written; nothing was sent
    ├── OrderNotFilled         an order ended without being filled
    ├── OrdersLeftOpen         orders that a session could not cancel
    ├── WaitTimeout            a wait for an order or event ran out of time                      (a TimeoutError)
    ├── VirtualTimeError       a program in virtual time does what only real time allows, or never ends
    ├── RateLimited            a limit is used up
    │   ├── TooManyRequests    HTTP 429: refused by the exchange, not accepted                     (an ApiError)
    │   └── IpBanned           HTTP 418: this address is banned for a while                        (an ApiError)
    └── ApiError               the exchange said no, with a code
        ├── InvalidKey  SignatureRejected  TimestampRejected
        ├── PermissionDenied ── IpNotAllowed
        ├── InvalidParameter ── InvalidSymbol
        ├── TradingSuspended ── WouldTakeLiquidity
        ├── InsufficientBalance  OrderRejected  TooManyOrders  OrderNotFound
        ├── AccountRestricted  TransferRejected  ListenKeyInvalid
        └── ExchangeUnavailable        5xx and their codes: reads may be retried

`error_codes.py` maps each code of the exchange to its class.
"""

from __future__ import annotations

from typing import ClassVar

ADVICE_PERMISSION = (
    "Give the key the permission that this call needs (API management on MEXC, edit the key), and no other; "
    "if the key is bound to IP addresses, check that this machine's public address is on the list."
)
ADVICE_SIGNATURE = (
    "Check that the secret belongs to this key and was copied whole, without spaces; a key without an IP list expires "
    "after 90 days, and MEXC answers an expired key with this same error."
)
ADVICE_LOST_SECRET = (
    "MEXC shows a secret only once, when the key is made, and nobody can show it again: "  # noqa: S105 - advice
    "delete the key, make a new one with the same permissions and IP list, and replace both parts of the old one."
)
ADVICE_CREDENTIALS = (
    "Set MEXC_API_KEY and MEXC_API_SECRET in the environment and use Mexc.from_env(), or pass Credentials(key, secret) "
    "to Mexc; public calls need neither."
)
ADVICE_IP = (
    "Add this machine's public address to the key's IP list (API management on MEXC, edit the key), "
    "or send from an address that is on it."
)
ADVICE_RATE_LIMIT = (
    "Send less: the SDK already waits for Retry-After; lower the limit profile, or share one client between "
    "everything that uses this key or this IP address, because their requests count together."
)
ADVICE_TIMESTAMP = (
    "This machine's clock and the exchange's differ by more than recv_window_ms: the SDK measures the difference and "
    "tries once more by itself; if it persists, set the machine's clock by NTP or allow a longer recv_window_ms "
    "(at most 60000)."
)
ADVICE_UNKNOWN = (
    "Do not send it again: look it up first (query_order with the client order id that this error carries), "
    "because the exchange may have accepted it."
)

ADVICE_REACH = (
    "Check that this machine has a network and a name server, and that a firewall lets it reach the exchange on port "
    "443; if the network needs a proxy, set HTTPS_PROXY or Mexc(proxy=...)."
)
ADVICE_WITHDRAW = (
    "A program that trades never needs to withdraw: remove that permission from the key (API management on MEXC, edit "
    "the key), and withdraw with a key of its own, bound to one address."
)
ADVICE_IP_LIST = (
    "Bind the key to the public addresses of the machines that use it (API management on MEXC, edit the key): it is "
    "then useless elsewhere, and does not expire after 90 days; private addresses (10.x, 172.16.x, 192.168.x, 127.x) "
    "never match."
)
ADVICE_ENDED_KEY = (
    "Make a new key with the same permissions and IP list and replace the old one with mexc-async keys rotate NAME; "
    "programs opened by Mexc.from_keys switch to it without a restart."
)
ADVICE_UNVERIFIED = (
    "Finish the identity check on MEXC, at the first level at least: without it MEXC may refuse orders, transfers and "
    "withdrawals."
)
ADVICE_SYMBOL = (
    "Trade one of the symbols that mexc.spot.self_symbols() lists: the others trade on the web site only, whatever "
    "permissions the key has."
)
ADVICE_CALL_LOG = (
    "Make room on the disk, or check that this user can write the file and its folder and that no other process writes "
    "the log; the client then sends orders again by itself. Cancels are sent in any case, and "
    "CallLog(on_failure='warn') sends everything."
)


_LOOK_FIRST = (
    "Do not send it again: look it up first, in what it would have changed, because the exchange may have accepted it."
)


class MexcError(Exception):
    """Base of all errors of the SDK; the text is one line and never holds a secret."""

    retryable: bool = False
    """True if the same call can succeed later."""
    outcome_known: bool = True
    """False when a call that changes something may or may not have happened."""
    shows_advice: ClassVar[bool] = True
    """False if the message itself says what to correct, so that the text does not repeat it."""
    _advice: ClassVar[str] = "Correct what the message names."

    def __init__(
        self,
        message: str,
        *,
        code: int | None = None,
        status: int | None = None,
        method: str | None = None,
        path: str | None = None,
        client_order_id: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        """The exchange's code, if it sent one."""
        self.status = status
        """HTTP status, if there was an answer."""
        self.method = method
        self.path = path
        self.client_order_id = client_order_id
        """The order's client order id, for looking it up."""
        self.retry_after_s = retry_after_s
        """Seconds to wait before the next attempt; None if unknown."""

    @property
    def advice(self) -> str:
        """Advice for this call, in plain words: what to do next."""
        return self._advice

    @property
    def _may_have_acted(self) -> bool:
        """True if the call changes something, and may have done so."""
        return not self.outcome_known and self.method not in (None, "GET")

    def __str__(self) -> str:
        where = f"{self.method} {self.path}: " if self.path else ""
        code = f"{self.code} " if self.code is not None else ""
        notes = []
        if self.status is not None:
            notes.append(f"HTTP {self.status}")
        if self.client_order_id is not None:
            notes.append(f"client order id {self.client_order_id}")
        tail = f" ({', '.join(notes)})" if notes else ""
        advice = f" {self.advice}" if self.shows_advice else ""
        return f"{where}{code}{self.message}{tail}{'.' if advice else ''}{advice}"

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.message, dict(self.__dict__)))

    def at(self, method: str, path: str) -> MexcError:
        """Set the call in which the error occurred; return the error."""
        self.method, self.path = method, path
        return self


def _rebuild(cls: type[MexcError], message: str, state: dict[str, object]) -> MexcError:
    error = cls(message)
    error.__dict__.update(state)
    return error


class ConfigError(MexcError, ValueError):
    """The client is set up wrongly; nothing was sent."""

    shows_advice = False
    _advice = "Correct the setting that the message names; nothing was sent."


class MissingCredentials(ConfigError):
    """A call needs an API key and its secret, and the client has none."""

    shows_advice = True
    _advice = f"{ADVICE_CREDENTIALS} If the secret is lost: {ADVICE_LOST_SECRET}"


class InvalidRequest(MexcError, ValueError):
    """A parameter breaks a rule that the SDK checks; nothing was sent."""

    shows_advice = False
    _advice = "Correct the parameter that the message names; nothing was sent."


class ReadOnlyError(MexcError):
    """A call changes something and the client was opened with `read_only=True`; nothing was sent."""

    shows_advice = False
    _advice = "Make calls that change something with a client that is not read_only; nothing was sent."


class WithdrawalsOff(MexcError):
    """A call pays out money and the client was opened without `allow_withdraw=True`; nothing was sent."""

    shows_advice = False
    _advice = "Open a client with allow_withdraw=True for this call alone, and a key of its own; nothing was sent."


class ClientClosed(MexcError):
    """The client is closed; nothing was sent."""

    shows_advice = False
    _advice = "Make the call inside the client's `async with`, or open a new client or book; nothing was sent."


class TransportError(MexcError):
    """There is no answer."""

    retryable = True
    _advice = ADVICE_REACH


class ConnectFailed(TransportError):
    """The exchange was never reached, so the call had no effect."""


class ConnectionLost(TransportError):
    """The connection ended before the answer was complete; the request may have been sent."""

    outcome_known = False
    _advice = "Try again: nothing was changed, and streams and books connect again by themselves."

    @property
    def advice(self) -> str:
        """Advice for this call: a read may be repeated, any other call is looked up first."""
        return _LOOK_FIRST if self._may_have_acted else self._advice


class RequestTimeout(TransportError):
    """No complete answer in time."""

    outcome_known = False
    _advice = (
        "Read again: nothing was changed; a longer time is mexc.using(timeout_s=...) or NetworkSettings(timeouts=...)."
    )

    @property
    def advice(self) -> str:
        """Advice for this call: a read may be repeated, any other call is looked up first."""
        return _LOOK_FIRST if self._may_have_acted else self._advice


class ProtocolError(MexcError):
    """The answer cannot be decoded; the text holds its first bytes."""

    outcome_known = False
    _advice = (
        "Read again; if it persists, see if a proxy, a firewall or a maintenance page answers in the exchange's "
        "place, and report the bytes in the message."
    )

    @property
    def advice(self) -> str:
        """Advice for this call: a read may be repeated, any other call is looked up first."""
        return _LOOK_FIRST if self._may_have_acted else self._advice


class SubscriptionRefused(MexcError):
    """The exchange refused channels: unknown symbol, interval or level, or no permission."""

    _advice = (
        "Check symbol, interval and levels of the channels that the message names; private channels need a key that "
        "may read the account."
    )

    channels: tuple[str, ...] = ()
    """MEXC's names of the refused channels."""

    @classmethod
    def of(cls, message: str, channels: tuple[str, ...]) -> SubscriptionRefused:
        """Make the error for these channels."""
        error = cls(message)
        error.channels = channels
        return error


class BookNotSynced(MexcError):
    """A live book is out of sync with the exchange at present."""

    retryable = True
    _advice = "Wait until it is in sync again: await book.synced()."


class StreamOverflow(MexcError):
    """The queue of a consumer with `overflow="raise"` is full: the consumer is too slow."""

    _advice = (
        "Read pushes faster, ask for a longer queue (queue=...), or choose overflow='drop_oldest' or 'latest' where a"
        " lost push does no harm."
    )


class OutcomeUnknown(MexcError):
    """A call that changes something ended without a valid answer; `__cause__` has the reason."""

    outcome_known = False
    _advice = _LOOK_FIRST
    accepted_until_ms: int | None = None
    """The last moment, by the exchange's clock, at which it can still be accepted; None if unknown."""

    @classmethod
    def after(
        cls, error: MexcError, message: str, client_order_id: str | None, accepted_until_ms: int | None
    ) -> OutcomeUnknown:
        """Make the error for a call that ended with another error."""
        unknown = cls(
            message,
            code=error.code,
            status=error.status,
            method=error.method,
            path=error.path,
            client_order_id=client_order_id,
        )
        unknown.accepted_until_ms = accepted_until_ms
        return unknown

    @property
    def advice(self) -> str:
        """Advice for this call: the look-up that shows the outcome of an order, a transfer or any other call."""
        path = self.path or ""
        if "withdraw" in path:
            return (
                "Do not send it again: look for it in mexc.spot.withdraw_history() first, because it may be on its way."
            )
        if "ransfer" in path:
            return (
                "Do not send it again: look for it in the history of transfers first, because the money may have moved."
            )
        return self._advice if self.client_order_id is None else ADVICE_UNKNOWN


class OrderNotPlaced(MexcError):
    """No answer came to an order, the exchange does not have it and can no longer accept it."""

    retryable = True
    _advice = "Place the order again if you still want it: it does not exist and can no longer be accepted."


class TransferNotMade(MexcError):
    """No answer came to a transfer or withdrawal, the exchange does not have it and can no longer accept it."""

    retryable = True
    _advice = "Send it again if you still want it: it does not exist and can no longer be accepted."


class GuardRefused(MexcError, ValueError):
    """An order breaks a limit that the user set (`mexc.orders.limits(...)`), or trading is halted; nothing was sent."""

    shows_advice = False
    _advice = "Change the order, or your limit by mexc.orders.limits(...); mexc.orders.resume() ends a halt."

    rule: str = ""
    """The limit, as `limits` names it; `halt` for the kill switch."""

    @classmethod
    def of(cls, rule: str, message: str) -> GuardRefused:
        """Make the error for a broken rule."""
        error = cls(f"{rule}: {message}")
        error.rule = rule
        return error


class CallLogFailed(MexcError):
    """The call log cannot be written, and the client is set to refuse changes then; nothing was sent."""

    _advice = ADVICE_CALL_LOG


class OrderNotFilled(MexcError):
    """The order ended before it was completely filled."""

    _advice = "See status and filled_quantity: what is filled counts, and the rest can be placed as a new order."


class OrdersLeftOpen(MexcError):
    """Orders could not be cancelled and may still be open."""

    _advice = "Cancel them by their client order ids (`orders` of this error) or on MEXC's page until none is open."

    orders: tuple[str, ...] = ()
    """Their client order ids."""

    @classmethod
    def of(cls, message: str, orders: tuple[str, ...]) -> OrdersLeftOpen:
        """Make the error for these orders."""
        error = cls(message)
        error.orders = orders
        return error


class WaitTimeout(MexcError, TimeoutError):
    """A wait for an order or event ran out of time; this changed nothing about the order."""

    _advice = "Wait again, or cancel an order that is no longer wanted: the wait changed nothing."


class VirtualTimeError(MexcError):
    """A program in virtual time does what only real time allows, or waits or repeats for ever."""

    shows_advice = False
    _advice = "Change the line that the message names: in a back-test, wait by asyncio and open nothing from outside."


class RateLimited(MexcError):
    """A rate limit is used up and the caller did not want to wait. Unless it is a subclass, nothing was sent."""

    retryable = True
    _advice = ADVICE_RATE_LIMIT


class ApiError(MexcError):
    """The exchange refused the call. Codes without a class of their own raise `ApiError`."""

    _advice = "Look the code up in docs/errors.md; the exchange refused the call, so it did nothing."


class TooManyRequests(RateLimited, ApiError):
    """HTTP 429: refused by a rate limit, so it was not accepted."""


class IpBanned(RateLimited, ApiError):
    """HTTP 418: this address went on after 429 and is banned for `retry_after_s` seconds."""


class InvalidKey(ApiError):
    """The API key is unknown, malformed or expired."""

    _advice = "Check MEXC_API_KEY; " + ADVICE_LOST_SECRET


class SignatureRejected(ApiError):
    """The signature does not fit the key's secret."""

    _advice = ADVICE_SIGNATURE


class TimestampRejected(ApiError):
    """The time stamp is outside recvWindow; this proves that the call was not accepted."""

    retryable = True
    _advice = ADVICE_TIMESTAMP


class PermissionDenied(ApiError):
    """The key may not do this."""

    _advice = ADVICE_PERMISSION


class IpNotAllowed(PermissionDenied):
    """This machine's address is not on the key's IP list."""

    _advice = ADVICE_IP


class InvalidParameter(ApiError):
    """The exchange refused a parameter."""

    _advice = (
        "Compare the parameters with the endpoint's entry in docs/endpoints.md and the page of MEXC's that it "
        "implements: spelling, period, number of decimals."
    )


class InvalidSymbol(InvalidParameter):
    """No such symbol, or it is closed to trading by API."""

    _advice = "Spell it as mexc.spot.exchange_info() lists it: upper case, no separator, as in BTCUSDT."

    @property
    def advice(self) -> str:
        """Advice for this call: spelling for reads, symbols that trade by API for orders."""
        return self._advice if self.method in (None, "GET") else ADVICE_SYMBOL


class InsufficientBalance(ApiError):
    """Not enough of the asset."""

    _advice = "Ask for less, or cancel open orders, which hold a part: mexc.spot.account() shows what is free."


class OrderRejected(ApiError):
    """The order breaks one of the symbol's rules."""

    _advice = (
        "Change price, quantity or value to fit the symbol: mexc.rules(symbol) rounds them, mexc.spot.exchange_info()"
        " shows the limits."
    )


class TradingSuspended(ApiError):
    """Trading of this symbol, side or order type is suspended."""

    _advice = "Wait, or use another symbol, side or order type: mexc.spot.exchange_info() shows what may trade now."


class WouldTakeLiquidity(TradingSuspended):
    """A LIMIT_MAKER order would trade at once, so it was not placed. MEXC's 30041, "this type cannot be placed now"."""

    _advice = (
        "Place it away from the other side of the book, a buy below the best ask and a sell above the best bid, or as"
        " LIMIT if it may trade at once."
    )


class TooManyOrders(ApiError):
    """The account has the greatest allowed number of open orders (500)."""

    _advice = "Cancel some orders first: an account may have 500 open."


class OrderNotFound(ApiError):
    """The exchange knows no such order."""

    _advice = (
        "Check symbol and id: the order may be another account's, or so new that it is not visible yet; one that has "
        "ended can be read, but not cancelled."
    )


class AccountRestricted(ApiError):
    """The account needs an identity check, or risk control restricts it."""

    _advice = ADVICE_UNVERIFIED


class TransferRejected(ApiError):
    """A transfer or withdrawal was refused."""

    _advice = (
        "Check that currency and network are open (mexc.spot.currencies()), that these wallets may exchange it, and "
        "for a withdrawal that MEXC's address book has the address."
    )


class ListenKeyInvalid(ApiError):
    """The listen key is unknown or expired."""

    _advice = "Make a new listen key; mexc.streams does so by itself."


class ExchangeUnavailable(ApiError):
    """A fault of the exchange; the outcome of a call that changes something is unknown (see `OutcomeUnknown`)."""

    retryable = True
    outcome_known = False
    _advice = "Read again after a pause: the fault is the exchange's; `mexc-async doctor` shows if it answers at all."

    @property
    def advice(self) -> str:
        """Advice for this call: a read may be repeated, any other call is looked up first."""
        return _LOOK_FIRST if self._may_have_acted else self._advice
