"""Settings of the connections to the exchange, whichever transport makes them."""

from __future__ import annotations

import ssl

from msgspec import Struct

from mexc_async.errors import ConfigError
from mexc_async.schema.settings import CheckedSettings, Seconds
from mexc_async.transport.urls import ExchangeUrls, check_proxy, check_proxy_reaches


class Timeouts(CheckedSettings, frozen=True):
    """Time-outs of the phases of one attempt, in seconds."""

    connect_s: Seconds = 5.0
    """DNS, TCP and TLS."""
    read_s: Seconds = 10.0
    """Silence between two pieces of an answer."""
    total_s: Seconds = 10.0
    """The whole attempt."""


class TransportConfig(Struct, frozen=True, kw_only=True):
    """Settings of the connections to the exchange."""

    urls: ExchangeUrls
    proxy: str | None = None
    """URL of an HTTP proxy; without one the environment's HTTPS_PROXY and NO_PROXY decide."""
    trust_env: bool = True
    """False ignores the proxy that the environment names."""
    local_address: str | None = None
    """Local address to send from."""
    tls: ssl.SSLContext | None = None
    """TLS context with other certificate authorities; verification cannot be switched off."""
    timeouts: Timeouts = Timeouts()
    max_response_bytes: int = 32 << 20
    keepalive_s: float = 30.0
    dns_cache_s: int = 300

    def __post_init__(self) -> None:
        if self.tls is not None and not (self.tls.verify_mode == ssl.CERT_REQUIRED and self.tls.check_hostname):
            raise ConfigError("tls must verify certificates and host names")
        if self.proxy is not None:
            check_proxy(self.proxy)
            check_proxy_reaches(self.urls.rest, self.proxy)
        if self.max_response_bytes < 1024:
            raise ConfigError(f"max_response_bytes {self.max_response_bytes} must be at least 1024")

    def __repr__(self) -> str:
        return f"TransportConfig({self.urls.rest})"  # a proxy's URL may hold a password
