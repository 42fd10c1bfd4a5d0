"""Diagnosis of a refused signature: the text that MEXC signs, and the differences of a request from it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import combinations, permutations
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from msgspec import Struct

from mexc_async.errors import InvalidRequest
from mexc_async.rest.credentials import Credentials
from mexc_async.rest.signing import Signer

MAX_RECV_WINDOW_MS = 60_000
RECV_WINDOW_MS = 5_000
FUTURE_MS = 1_000
_HEX = re.compile(r"[0-9a-f]{64}")
_LOWER_ESCAPE = re.compile(r"%(?:[0-9A-Fa-f][a-f]|[a-f][0-9A-Fa-f])")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_BARE = re.compile(r"[^A-Za-z0-9_.~%&=+-]")
_SECRET_NAMES = frozenset({"signature", "listenkey", "apikey", "accesskey", "secret", "secretkey", "token", "password"})
_MANY = 6
"""Greatest count of parameters that are tried in every order."""

Pair = tuple[str, str]


class SignatureReport(Struct, frozen=True):
    """Findings of `explain_signature`; `str` of it is a text for people."""

    signed_text: str
    """The exact text that the signature covers, with keys and tokens in it masked."""
    is_right: bool
    """True if the signature is right for this text and secret, and the request has no other error."""
    differences: list[str]
    """Errors of the request, one line each."""

    def __str__(self) -> str:
        verdict = "the signature is right" if self.is_right else "the request would be refused:"
        return "\n".join([f"signed text: {self.signed_text}", verdict, *(f"- {line}" for line in self.differences)])


def explain_signature(
    credentials: Credentials,
    request: str,
    body: str = "",
    *,
    now_ms: int | None = None,
    others: Mapping[str, Credentials] | None = None,
) -> SignatureReport:
    """Show the text that MEXC signs for a request, and the errors of the request.

    MEXC signs the text that it receives: the query without `signature`, and right behind it the body, byte for byte.
    Parameters may be in any order, if the signed text and the sent text have the same order.

    Args:
        credentials: the key whose secret should have signed.
        request: a URL, or its query alone, as it was sent.
        body: the body as it was sent, if any: parameters or JSON.
        now_ms: the exchange's time of the request, to judge its time stamp.
        others: more keys by name, to find the secret that signed the request.

    Raises InvalidRequest if the request has no parameters.
    """
    if not isinstance(request, str) or not isinstance(body, str):
        raise InvalidRequest("request and body must be text")
    query = _query_of(request)
    in_query, query = _without_signature(query)
    in_body, rest = ([], body) if _is_json(body) else _without_signature(body)
    signatures = [*in_query, *in_body]
    if not query and not rest and not signatures:
        raise InvalidRequest("the request has no parameters: there is nothing to sign")
    signed = query + rest
    pairs = [*_pairs(query), *([] if _is_json(body) else _pairs(rest))]
    found = [*_wrong_in_form(signed), *_wrong_in_time(pairs, now_ms)]
    if len(signatures) != 1:
        found.append("the signature is missing" if not signatures else f"there are {len(signatures)} signatures")
    elif (wrong := _wrong_signature(credentials, signatures[0], query, rest, pairs, others or {})) is not None:
        found.append(wrong)
    return SignatureReport(_masked(signed), not found, found)


def _query_of(request: str) -> str:
    text = request.strip().split("#")[0]
    if "?" in text:
        return text.partition("?")[2]
    return "" if "://" in text or text.startswith("/") else text


def _is_json(body: str) -> bool:
    return body.lstrip()[:1] in ("{", "[")


def _without_signature(text: str) -> tuple[list[str], str]:
    parts = text.split("&") if text else []
    kept = [part for part in parts if part.partition("=")[0] != "signature"]
    return [part.partition("=")[2] for part in parts if part.partition("=")[0] == "signature"], "&".join(kept)


def _pairs(text: str) -> list[Pair]:
    parts = [part.partition("=") for part in text.split("&") if part]
    return [(name, value) for name, _, value in parts]


def _joined(pairs: Iterable[Pair]) -> str:
    return "&".join(f"{name}={value}" for name, value in pairs)


def _masked(text: str) -> str:
    """Mask the values of keys and tokens, in a query and in JSON."""
    names = "|".join(_SECRET_NAMES)
    hidden = re.sub(rf"(?i)((?:^|&|(?<=[a-z0-9]))(?:{names})=)[^&]*", r"\1***", text)
    return re.sub(rf'(?i)("(?:{names})"\s*:\s*")[^"]*', r"\1***", hidden)


def _wrong_in_form(signed: str) -> Iterator[str]:
    """Yield errors of form, which MEXC refuses whatever the signature."""
    query = signed.split("{")[0]  # JSON in a body is not encoded
    if found := _LOWER_ESCAPE.search(query):
        yield f"the escape {found.group()} has lower-case digits: MEXC wants {found.group().upper()}"
    if found := _BROKEN_ESCAPE.search(query):
        yield f"{query[found.start() : found.start() + 3]!r} is no escape: a percent sign itself is %25"
    if found := _BARE.search(query):
        escaped = quote(found.group(), safe="")
        yield f"{found.group()!r} is not encoded: it must be {escaped} in what is signed and in what is sent"
    if "+" in query:
        yield "'+' stands for a space or a plus: send %20 or %2B"


def _wrong_in_time(pairs: list[Pair], now_ms: int | None) -> Iterator[str]:
    named = dict(pairs)
    for name in sorted({name for name, _ in pairs if [other for other, _ in pairs].count(name) > 1}):
        yield f"parameter {name} is given more than once"
    window = named.get("recvWindow", str(RECV_WINDOW_MS))
    if not (window.isdecimal() and 1 <= int(window) <= MAX_RECV_WINDOW_MS):
        yield f"recvWindow {window!r} must be from 1 to {MAX_RECV_WINDOW_MS}"
        window = str(RECV_WINDOW_MS)
    stamp = named.get("timestamp")
    if stamp is None:
        yield "the timestamp is missing: sign one in milliseconds since 1970"
    elif not stamp.isdecimal():
        yield f"timestamp {stamp!r} is not a whole number of milliseconds"
    elif len(stamp) != 13:
        unit = {10: "seconds", 16: "microseconds", 19: "nanoseconds"}.get(len(stamp), "no milliseconds")
        yield f"timestamp {stamp} is {unit} since 1970: MEXC wants milliseconds, 13 digits"
    elif now_ms is not None and int(stamp) >= now_ms + FUTURE_MS:
        yield f"the timestamp is {int(stamp) - now_ms} ms ahead of the exchange: less than {FUTURE_MS} ms are accepted"
    elif now_ms is not None and now_ms - int(stamp) > int(window):
        yield f"the timestamp is {now_ms - int(stamp)} ms old: recvWindow allows {window} ms"


def _wrong_signature(
    credentials: Credentials,
    sent: str,
    query: str,
    body: str,
    pairs: list[Pair],
    others: Mapping[str, Credentials],
) -> str | None:
    """Return the reason of a wrong signature, as far as it can be found; None if it is right."""
    signed = query + body
    plain = unquote(sent)
    sign = credentials.signer.sign
    if sent == sign(signed.encode()):
        return None
    if plain.lower() == sign(signed.encode()):
        return "the signature has upper-case digits: MEXC wants lower case"
    if not _HEX.fullmatch(plain.lower()):
        return f"the signature has {len(plain)} characters and is not 64 hexadecimal digits (HMAC-SHA256, not base64)"
    wanted = plain.lower()
    for signer, whose in _signers(credentials, others):
        if signer.sign(signed.encode()) == wanted:
            return f"it was signed with {whose}, not with the secret of {credentials.masked_key}"
    for text, reason in _otherwise(query, body, pairs):
        if text != signed and sign(text.encode()) == wanted:
            return reason
    return (
        "neither this text nor any usual variation of it has this signature with the secret of "
        f"{credentials.masked_key}: a value was changed after signing, or another secret signed it"
    )


def _signers(credentials: Credentials, others: Mapping[str, Credentials]) -> Iterator[tuple[Signer, str]]:
    yield Signer(credentials.api_key.encode()), "the access key itself"
    yield Signer(b""), "an empty secret"
    for name, other in others.items():
        yield other.signer, f"the secret of {name!r}"


def _otherwise(query: str, body: str, pairs: list[Pair]) -> Iterator[tuple[str, str]]:
    """Yield texts that programs often sign by mistake, each with an explanation."""
    signed = query + body
    recoded = "its values were encoded {} when it was signed, and differently when it was sent: sign what is sent"
    yield "?" + signed, "the question mark was signed: sign only what follows it"
    if query and body:
        yield f"{query}&{body}", "query and body were joined by '&' for signing: put nothing between them"
        yield body + query, "the body was signed before the query: the query comes first"
        yield query, "the body was not signed: sign it right behind the query"
        yield body, "the query was not signed: sign it before the body"
    yield _LOWER_ESCAPE.sub(lambda m: m.group().upper(), signed), recoded.format("with upper-case escapes")
    yield re.sub(r"%[0-9A-F]{2}", lambda m: m.group().lower(), signed), recoded.format("with lower-case escapes")
    for code, how in _CODINGS:
        yield _recoded(query, code) + _recoded(body, code), recoded.format(how)
    for order, how in (*_orders(pairs), *_every_order(pairs)):
        yield _joined(order), f"the parameters were signed {how}, and sent in another order: sign what is sent"
        decoded = [(name, unquote_plus(value)) for name, value in order]
        yield _joined(decoded), f"the parameters were signed {how} and not encoded: sign what is sent"
    for count in (1, 2):
        for left_out in combinations(range(len(pairs)), count):
            kept = [pair for number, pair in enumerate(pairs) if number not in left_out]
            names = " and ".join(pairs[number][0] for number in left_out)
            yield _joined(kept), f"{names} {'was' if count == 1 else 'were'} added after signing"
            yield _joined(sorted(kept)), f"{names} {'was' if count == 1 else 'were'} added after signing"


def _recoded(text: str, code: Callable[[str], str]) -> str:
    return text if _is_json(text) else _joined((name, code(value)) for name, value in _pairs(text))


_CODINGS: tuple[tuple[Callable[[str], str], str], ...] = (
    (unquote, "not at all"),
    (unquote_plus, "not at all"),
    (lambda value: quote(unquote(value), safe=""), "in full"),
    (lambda value: quote(unquote_plus(value), safe=""), "in full"),
    (lambda value: quote(unquote(value)), "but for slashes"),
    (lambda value: quote(unquote(value), safe=",:/()[]{}'\"!*@"), "in part"),
    (lambda value: quote_plus(unquote_plus(value)), "with + for spaces"),
    (lambda value: quote(value, safe=""), "twice"),
)


def _orders(pairs: list[Pair]) -> Iterator[tuple[list[Pair], str]]:
    last = [pair for pair in pairs if pair[0] in ("timestamp", "recvWindow")]
    first = [pair for pair in pairs if pair not in last]
    yield sorted(pairs), "sorted by name"
    yield sorted(pairs, reverse=True), "sorted backwards"
    yield [*first, *last], "with recvWindow and timestamp last"
    yield [*first, *reversed(last)], "with recvWindow and timestamp last"
    yield [*last, *first], "with recvWindow and timestamp first"


def _every_order(pairs: list[Pair]) -> Iterator[tuple[list[Pair], str]]:
    if len(pairs) <= _MANY:
        for order in permutations(pairs):
            yield list(order), f"as {', '.join(name for name, _ in order)}"
