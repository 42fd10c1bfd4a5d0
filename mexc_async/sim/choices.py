"""What the simulator does where MEXC's documents and recorded answers leave room: every such choice, in one place."""

from __future__ import annotations

from decimal import Decimal

DUPLICATE_CLIENT_ID = 30026
"""An open order already has this newClientOrderId. No source names a code; "order ids invalid" comes closest."""

TOO_MANY_DECIMALS = 10096
"""Price or quantity with more decimals than the symbol allows. The exact code per case is not confirmed."""

POST_ONLY_WOULD_TRADE = 30041
"""LIMIT_MAKER that would cross. No source names a code; "this order type cannot be placed now" comes closest."""

NO_OPPOSING_ORDER = 30025
"""MARKET into an empty book."""

BUY_WITHOUT_BALANCE = 30004
SELL_WITHOUT_BALANCE = 30005
"""MEXC also has 10101 for the same thing; that one is kept for transfers."""

CLOSED_TO_API = 10007
"""isSpotTradingAllowed is false. SDK tables also list 10004."""

TOO_MANY_OPEN_ORDERS = 30029
"""More than 500 open orders. SDK tables also list 30069."""

MALFORMED_BATCH = 730002
"""batchOrders that is no JSON array, is empty, is longer than 20, or names two symbols."""

UNKNOWN_GROUP = 22222
DUPLICATE_GROUP = 730002
TOO_MANY_GROUPS = 730003
"""Self-trade prevention groups: no code is documented for any of these three."""

MAX_OPEN_ORDERS = 500
MAX_CLIENT_ID_LENGTH = 32
"""The longest client order id that any SDK relies on."""

DEPTH_LIMIT = (100, 5000)
TRADES_LIMIT = (500, 1000)
ORDERS_LIMIT = (500, 1000)
"""(default, maximum); a larger number is read as the maximum."""

KLINES_LIMIT = (500, 500)
"""The 2025 document says 1000 at most, the 2026 one 500, which is also what others saw in practice."""

MY_TRADES_LIMIT = (10, 1000)
"""The documents say (100, 100); the newest observation of the live venue is (10, 1000)."""

MX_DISCOUNT = Decimal("0.8")
"""Share of the fee that is due when it is paid in MX."""

# The wallet

AMOUNT_DECIMALS = 8
"""Decimals of a transfer, and of a withdrawal where the currency table names no step. No source says."""

NOT_A_MAIN_ACCOUNT = 730003
"""A sub-account's key on what only main accounts may do. No source names a code; "operation not supported"."""

TOO_MANY_SUB_ACCOUNTS = 730003
"""The 31st sub-account; no source names a code."""

NOT_A_BROKER = 730003
NOT_AN_AFFILIATE = 730003
"""The same for the endpoints of brokers and affiliates."""

NO_SUB_BALANCES = 730003
"""GET sub-account/asset for FUTURES: "only SPOT works"."""

UNKNOWN_NETWORK = 33333
"""No source names a code for a network that the currency does not have; "parameter error" comes closest."""

WITHDRAWALS_CLOSED = 11444
"""withdrawEnable is false: "feature temporarily unavailable"."""

OUTSIDE_WITHDRAW_LIMITS = 10097
"""Less than withdrawMin or more than withdrawMax: "amount wrong"."""

DUPLICATE_WITHDRAW_ID = 730002
"""A withdrawOrderId that the account has used. No source says whether MEXC minds; a careful exchange would."""

NOT_CANCELLABLE = 10211
"""A withdrawal that is processed or over. No source names a code; "transfer forbidden"."""

LONGEST_REMARK = 200

DUST_LIMIT_USDT = Decimal(5)
"""A balance worth less may be converted into MX."""
DUST_FEE = Decimal("0.02")
"""Share of the converted MX, as in the sample of the conversion history."""
MAX_DUST_ASSETS = 15
DUST_TOO_MUCH = 30003
DUST_NO_MARKET = 30021
DUST_TOO_LITTLE = 30002
"""Why an asset is not converted; the samples show 30021 only."""

REFERRAL_RATE = Decimal("0.3")
KICKBACK_RATE = Decimal("0.1")
BROKER_RATE = Decimal("0.3")
"""Shares of each fee for who invited a trader, for the trader who was invited, and for a sub-account's broker."""

FROZEN_ACCOUNT = 730100
"""A key of a frozen sub-account. "User status unusual"; 140002 is said to its main account."""

# Fees are charged in the quote asset on both sides, exactly value x rate: recorded fills of buyers show
# commissionAsset USDT and unrounded amounts. A buy therefore holds its value and the taker fee on it.
# The documents only say that the fee asset comes from each fill (quote, base or MX).

# Query answers hold timeInForce null, as recorded; cancel answers hold "GTC", as the documents show.
# The trade and account wrappers use the code that the sample answer of each endpoint shows (0 or 200).

# The stream

TOO_MANY_LISTEN_KEYS = 730003
"""No source names a code for the 61st key; "operation not supported" comes closest."""

WS_MALFORMED_CODE = 1
WS_MALFORMED_TEXT = "msg format invalid"
WS_UNKNOWN_METHOD_TEXT = "method invalid"
"""No source shows the answer to what is no control message; the socket stays open."""

LIMIT_DEPTH_MS = 100
BATCH_MS = 100
LEGACY_MS = 10
"""How often limit.depth and bookTicker.batch are looked at, and the channels that only the schema knows."""

# More of the stream: the 31st subscription reads like any other refusal; so does a private channel without a key.
# An acknowledgement echoes accepted names in reverse order, because MEXC's order is not the request's either.
# Unsubscribing echoes what was subscribed and leaves out the rest. A sixth socket on one listen key is told that the
# key is invalid. Only control messages count as a sign of life, protocol-level pings do not.
# POST userDataStream makes a new key each time. An account push is one per asset and command, fee included, and none
# when the command changed nothing in the end. limit.depth, bookTicker.batch and kline are pushed once at the start
# and then when something changed; aggre.bookTicker is pushed in every window, changed or not, as observed.
# "increase.depth" is refused as measured; the other legacy channels, whose outcome nobody has confirmed, are served.

# A restart that was ordered keeps listen keys: MEXC grants them for 60 minutes and ties them to no connection. It keeps
# the counted limits too, and the market stands still meanwhile, so that the book after it is the book before.
