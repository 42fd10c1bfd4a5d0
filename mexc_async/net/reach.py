"""What a URL must be to be reached, and through which proxy: the same rules for requests and for streams."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

from mexc_async.errors import ConfigError

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_PLAIN = {"https": "http", "wss": "ws"}
_EXAMPLE = {"https": "https://api.mexc.com", "wss": "wss://wbs-api.mexc.com/ws"}


def check_url(name: str, text: str, scheme: str) -> None:
    """Refuse a base URL that is not of `scheme` (`https` or `wss`), or of its plain form to this machine itself.

    Raises ConfigError; a login in the URL is not repeated.
    """
    url = _split(text)
    if url is not None and (url.username is not None or url.password is not None):
        raise ConfigError(f"{name} holds a login; the exchange takes none")
    plain = _PLAIN[scheme]
    if url is None or url.scheme not in (scheme, plain) or url.query:
        raise ConfigError(f"{name} {text!r} is not a URL such as {_EXAMPLE[scheme]}")
    if url.scheme == plain and url.hostname not in LOOPBACK:
        raise ConfigError(f"{name} {text!r} is not encrypted: plain {plain} goes to this machine itself only")


def is_loopback(url: str) -> bool:
    """Whether the host is this machine."""
    return urlsplit(url).hostname in LOOPBACK


def proxy_for(url: str, proxy: str | None, trust_env: bool) -> str | None:
    """The proxy to reach `url` through: the given one, else the environment's; none for this machine itself.

    Raises ConfigError if the environment's cannot be used.
    """
    if proxy is not None or not trust_env or is_loopback(url):
        return proxy
    parts = urlsplit(url)
    if proxy_bypass(parts.hostname or ""):
        return None
    proxies = getproxies()
    found = proxies.get("https" if parts.scheme in ("https", "wss") else "http") or proxies.get("all")
    if found is not None:
        found = found if "://" in found else f"http://{found}"  # as every program reads HTTPS_PROXY=host:3128
        check_proxy(found)
    return found


def check_proxy(text: str) -> None:
    """Refuse a proxy that cannot be used; its text, which may hold a password, is not repeated. Raises ConfigError."""
    url = _split(text)
    if url is None:
        raise ConfigError("the proxy is not a URL such as http://host:3128")
    if url.scheme not in ("http", "https"):
        raise ConfigError(f"a proxy of scheme {url.scheme!r} is not supported; http and https are")


def _split(text: str) -> SplitResult | None:
    """The parts of a URL; None if it is not one with a host."""
    try:
        url = urlsplit(text)
        return url if url.hostname and url.port != 0 else None  # asking for the port checks it
    except ValueError:
        return None
