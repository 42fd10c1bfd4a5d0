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
    ├── RateLimited            a limit is used up
    │   ├── TooManyRequests    HTTP 429: refused by the exchange, not accepted                     (an ApiError)
    │   └── IpBanned           HTTP 418: this address is banned for a while                        (an ApiError)
    └── ApiError               the exchange said no, with a code
        ├── InvalidKey  SignatureRejected  TimestampRejected
        ├── PermissionDenied ── IpNotAllowed
        ├── InvalidParameter ── InvalidSymbol
        ├── InsufficientBalance  OrderRejected  TradingSuspended  TooManyOrders  OrderNotFound
        ├── AccountRestricted  TransferRejected  ListenKeyInvalid
        └── ExchangeUnavailable        5xx and their codes: reads may be retried

`error_codes.py` maps each code of the exchange to its class.
"""

from __future__ import annotations

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


class MexcError(Exception):
    """Base of all errors of the SDK; the text is one line and never holds a secret."""

    retryable: bool = False
    """True if the same call can succeed later."""
    outcome_known: bool = True
    """False when a call that changes something may or may not have happened."""
    advice: str | None = None
    """Advice to the user, in one sentence."""

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

    def __str__(self) -> str:
        where = f"{self.method} {self.path}: " if self.path else ""
        code = f"{self.code} " if self.code is not None else ""
        notes = []
        if self.status is not None:
            notes.append(f"HTTP {self.status}")
        if self.client_order_id is not None:
            notes.append(f"client order id {self.client_order_id}")
        tail = f" ({', '.join(notes)})" if notes else ""
        advice = f" {self.advice}" if self.advice else ""
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


class MissingCredentials(ConfigError):
    """A call needs an API key and its secret, and the client has none."""

    advice = f"{ADVICE_CREDENTIALS} If the secret is lost: {ADVICE_LOST_SECRET}"


class InvalidRequest(MexcError, ValueError):
    """A parameter breaks a rule that the SDK checks; nothing was sent."""


class ReadOnlyError(MexcError):
    """A call changes something and the client was opened with `read_only=True`; nothing was sent."""


class WithdrawalsOff(MexcError):
    """A call pays out money and the client was opened without `allow_withdraw=True`; nothing was sent."""


class ClientClosed(MexcError):
    """The client is closed; nothing was sent."""


class TransportError(MexcError):
    """There is no answer."""

    retryable = True


class ConnectFailed(TransportError):
    """The exchange was never reached, so the call had no effect."""


class ConnectionLost(TransportError):
    """The connection ended before the answer was complete; the request may have been sent."""

    outcome_known = False


class RequestTimeout(TransportError):
    """No complete answer in time."""

    outcome_known = False


class ProtocolError(MexcError):
    """The answer cannot be decoded; the text holds its first bytes."""

    outcome_known = False


class SubscriptionRefused(MexcError):
    """The exchange refused channels: unknown symbol, interval or level, or no permission."""

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


class StreamOverflow(MexcError):
    """The queue of a consumer with `overflow="raise"` is full: the consumer is too slow."""


class OutcomeUnknown(MexcError):
    """A call that changes something ended without a valid answer; `__cause__` has the reason."""

    outcome_known = False
    advice = ADVICE_UNKNOWN
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


class OrderNotPlaced(MexcError):
    """No answer came to an order, the exchange does not have it and can no longer accept it."""

    retryable = True


class TransferNotMade(MexcError):
    """No answer came to a transfer or withdrawal, the exchange does not have it and can no longer accept it."""

    retryable = True


class GuardRefused(MexcError, ValueError):
    """An order breaks a limit that the user set (`mexc.orders.limits(...)`), or trading is halted; nothing was sent."""

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

    advice = ADVICE_CALL_LOG


class OrderNotFilled(MexcError):
    """The order ended before it was completely filled."""


class OrdersLeftOpen(MexcError):
    """Orders could not be cancelled and may still be open."""

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


class RateLimited(MexcError):
    """A rate limit is used up and the caller did not want to wait. Unless it is a subclass, nothing was sent."""

    retryable = True
    advice = ADVICE_RATE_LIMIT


class ApiError(MexcError):
    """The exchange refused the call. Codes without a class of their own raise `ApiError`."""


class TooManyRequests(RateLimited, ApiError):
    """HTTP 429: refused by a rate limit, so it was not accepted."""


class IpBanned(RateLimited, ApiError):
    """HTTP 418: this address went on after 429 and is banned for `retry_after_s` seconds."""


class InvalidKey(ApiError):
    """The API key is unknown, malformed or expired."""

    advice = "Check MEXC_API_KEY; " + ADVICE_LOST_SECRET


class SignatureRejected(ApiError):
    """The signature does not fit the key's secret."""

    advice = ADVICE_SIGNATURE


class TimestampRejected(ApiError):
    """The time stamp is outside recvWindow; this proves that the call was not accepted."""

    retryable = True
    advice = ADVICE_TIMESTAMP


class PermissionDenied(ApiError):
    """The key may not do this."""

    advice = ADVICE_PERMISSION


class IpNotAllowed(PermissionDenied):
    """This machine's address is not on the key's IP list."""

    advice = ADVICE_IP


class InvalidParameter(ApiError):
    """The exchange refused a parameter."""


class InvalidSymbol(InvalidParameter):
    """No such symbol, or it is closed to trading by API."""


class InsufficientBalance(ApiError):
    """Not enough of the asset."""


class OrderRejected(ApiError):
    """The order breaks one of the symbol's rules."""


class TradingSuspended(ApiError):
    """Trading of this symbol, side or order type is suspended."""


class TooManyOrders(ApiError):
    """The account has the greatest allowed number of open orders (500)."""


class OrderNotFound(ApiError):
    """The exchange knows no such order."""


class AccountRestricted(ApiError):
    """The account needs an identity check, or risk control restricts it."""


class TransferRejected(ApiError):
    """A transfer or withdrawal was refused."""


class ListenKeyInvalid(ApiError):
    """The listen key is unknown or expired."""


class ExchangeUnavailable(ApiError):
    """A fault of the exchange; the outcome of a call that changes something is unknown (see `OutcomeUnknown`)."""

    retryable = True
    outcome_known = False
