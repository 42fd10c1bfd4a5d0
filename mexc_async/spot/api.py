"""The spot API as one flat set of methods, composed from its groups."""

from __future__ import annotations

from mexc_async.schema.endpoint import BlockingAnswers, Json, RawAnswers
from mexc_async.spot.account import Account
from mexc_async.spot.announcements import Announcements
from mexc_async.spot.broker import Broker
from mexc_async.spot.market import Market
from mexc_async.spot.models import OrderAck
from mexc_async.spot.prepared import Preparing
from mexc_async.spot.rebates import Rebates
from mexc_async.spot.subaccounts import SubAccountEndpoints
from mexc_async.spot.trading import Trading
from mexc_async.spot.user_stream import UserStreams
from mexc_async.spot.wallet import Wallet


class Endpoints(Market, Trading, Account, SubAccountEndpoints, Wallet, UserStreams, Rebates, Broker, Announcements):
    """All spot endpoints."""


class Spot(Preparing[OrderAck], Endpoints):
    """All spot endpoints with typed answers: `await mexc.spot.depth(symbol="BTCUSDT")`."""


class RawSpot(RawAnswers, Preparing[Json], Endpoints):
    """All spot endpoints with answers as the exchange sends them, undecoded."""


class BlockingSpot(BlockingAnswers, Endpoints):
    """All spot endpoints for programs without an event loop: `mexc.spot.depth(symbol="BTCUSDT")`."""
