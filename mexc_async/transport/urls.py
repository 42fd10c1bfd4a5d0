"""URLs of requests and streams, and the proxy: all traffic of a client goes to this machine, or none of it."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

from mexc_async.errors import ConfigError
from mexc_async.schema.validation import kind_of

REST = "https://api.mexc.com"
WS = "wss://wbs-api.mexc.com/ws"
_PLAIN = {"https": "http", "wss": "ws"}
_EXAMPLE = {"https": REST, "wss": WS}


class ExchangeUrls:
    """URLs of one exchange. Whoever connects reads them then: a client's own simulator has them once it serves."""

    def __init__(self, rest: str, ws: str | None = None) -> None:
        """Take the base URL of the REST API and the URL of the push streams, by default that of `stream_url`.

        Raises ConfigError.
        """
        check_url("rest", rest, "https")
        self.rest = rest.rstrip("/")
        """Base URL of the REST API; https, or http to this machine."""
        self.ws = stream_url(rest, ws)
        """URL of the push streams; None if it was not given and has no default."""

    @property
    def is_loopback(self) -> bool:
        """True if the exchange is on this machine."""
        return all(is_loopback(url) for url in (self.rest, self.ws) if url is not None)


def check_text(name: str, text: object) -> None:
    """Refuse what is no URL's text, without showing it: it may hold a password. Raises ConfigError."""
    if not isinstance(text, str):
        raise ConfigError(f"{name} must be a URL, as text, not {kind_of(text)}")
    if not text.isprintable() or " " in text:
        raise ConfigError(f"{name} is not a URL: it holds a space or a control character, such as a line break")


def check_url(name: str, text: str, scheme: str) -> None:
    """Refuse a base URL that is neither of `scheme` (`https` or `wss`) nor of its plain form to this machine.

    Raises ConfigError; a login in the URL is not repeated.
    """
    url = _split(text)
    if url is not None and (url.username is not None or url.password is not None):
        raise ConfigError(f"{name} holds a login; the exchange takes none")
    plain = _PLAIN[scheme]
    if url is None or url.scheme not in (scheme, plain) or url.query:
        raise ConfigError(f"{name} {text!r} is not a URL such as {_EXAMPLE[scheme]}")
    if url.scheme == plain and not is_loopback(text):
        raise ConfigError(f"{name} {text!r} is not encrypted: plain {plain} is allowed to this machine only")


def is_loopback(url: str) -> bool:
    """Return True if the host is this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def place_of(url: str) -> str:
    """Return host and port of a URL, as errors name them."""
    parts = urlsplit(url)
    return parts.netloc if parts.port else f"{parts.netloc}:{443 if parts.scheme in ('https', 'wss') else 80}"


def stream_url(rest: str, ws: str | None) -> str | None:
    """Return the stream URL of an exchange; None if it is unknown and has to be given.

    This is `ws` if given, MEXC's own URL for MEXC's own `rest`, and `/ws` on the same host and port for an exchange on
    this machine.

    Raises ConfigError where one of the two is on this machine and the other is not.
    """
    url = urlsplit(rest)
    if ws is not None:
        check_url("ws", ws, "wss")
        if is_loopback(rest) != is_loopback(ws):
            here, there = ("rest", "ws") if is_loopback(rest) else ("ws", "rest")
            raise ConfigError(
                f"rest {rest!r} and ws {ws!r} are two exchanges: {here} is on this machine and {there} is not"
            )
        return ws
    if is_loopback(rest):
        return f"{'wss' if url.scheme == 'https' else 'ws'}://{url.netloc}/ws"
    is_own = (url.scheme, url.hostname) == ("https", urlsplit(REST).hostname) and url.port in (None, 443)
    return WS if is_own else None


def check_proxy_reaches(rest: str, proxy: str) -> None:
    """Refuse a remote proxy for an exchange on this machine, which it cannot reach. Raises ConfigError."""
    if is_loopback(rest) and not is_loopback(proxy):
        raise ConfigError(
            f"rest {rest!r} is on this machine and the proxy is not: the proxy would look for it on the proxy's machine"
        )


def proxy_for(url: str, proxy: str | None, trust_env: bool) -> str | None:
    """Return the proxy for `url`: the given one, else the environment's; None for this machine.

    Raises ConfigError if the environment's proxy cannot be used.
    """
    if proxy is not None or not trust_env or is_loopback(url):
        return proxy
    parts = urlsplit(url)
    if proxy_bypass(parts.hostname or ""):
        return None
    proxies = getproxies()
    found = proxies.get("https" if parts.scheme in ("https", "wss") else "http") or proxies.get("all")
    if found is not None:
        found = found if "://" in found else f"http://{found}"  # the common form HTTPS_PROXY=host:3128
        check_proxy(found)
    return found


def check_proxy(text: str) -> None:
    """Refuse a proxy that cannot be used. Raises ConfigError, without the text: it may hold a password."""
    url = _split(text)
    if url is None:
        raise ConfigError("the proxy is not a URL such as http://host:3128")
    if url.scheme not in ("http", "https"):
        raise ConfigError(f"a proxy of scheme {url.scheme!r} is not supported; http and https are")


def _split(text: str) -> SplitResult | None:
    """Split a URL; None if it has no host."""
    try:
        url = urlsplit(text)
        return url if url.hostname and url.port != 0 else None  # asking for the port checks it
    except ValueError:
        return None
