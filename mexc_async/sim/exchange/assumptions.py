"""Assumptions about MEXC: the simulator's behaviour where documents and recorded answers leave it open."""

from __future__ import annotations

from decimal import Decimal

DUPLICATE_CLIENT_ID = 30026
"""An open order already has this newClientOrderId. No source names a code; "order ids invalid" comes closest."""

TOO_MANY_DECIMALS = 10096
"""A price or quantity has more decimals than the symbol allows. The exact code per case is not confirmed."""

POST_ONLY_WOULD_TRADE = 30041
"""A LIMIT_MAKER would cross. No source names a code; "this order type cannot be placed now" comes closest."""

NO_OPPOSING_ORDER = 30025
"""A MARKET order meets an empty book."""

BUY_WITHOUT_BALANCE = 30004
SELL_WITHOUT_BALANCE = 30005
"""Not enough balance. MEXC also has 10101 for this; the simulator uses 10101 for transfers only."""

CLOSED_TO_API = 10007
"""isSpotTradingAllowed is false. Tables in SDKs also list 10004."""

TOO_MANY_OPEN_ORDERS = 30029
"""The account has 500 open orders. Tables in SDKs also list 30069."""

MALFORMED_BATCH = 730002
"""batchOrders is no JSON array, is empty, has more than 20 orders, or names two symbols."""

UNKNOWN_GROUP = 22222
DUPLICATE_GROUP = 730002
TOO_MANY_GROUPS = 730003
"""Errors of self-trade prevention groups. No source documents a code for any of these three."""

MAX_OPEN_ORDERS = 500
MAX_CLIENT_ID_LENGTH = 32
"""Longest client order id that any SDK relies on."""

DEPTH_LIMIT = (100, 5000)
TRADES_LIMIT = (500, 1000)
ORDERS_LIMIT = (500, 1000)
"""(default, maximum) number of rows. A larger number counts as the maximum."""

KLINES_LIMIT = (500, 500)
"""The 2025 document says 1000 at most, the 2026 one 500, which also matches reports from practice."""

MY_TRADES_LIMIT = (10, 1000)
"""The documents say (100, 100); the newest observation of the live venue is (10, 1000)."""

MX_DISCOUNT = Decimal("0.8")
"""Share of the fee that is due when it is paid in MX."""

# The wallet

AMOUNT_DECIMALS = 8
"""Decimals of a transfer, and of a withdrawal if the currency table names no step. No source names a number."""

NOT_A_MAIN_ACCOUNT = 730003
"""A sub-account's key calls an endpoint for main accounts. No source names a code; "operation not supported" fits."""

TOO_MANY_SUB_ACCOUNTS = 730003
"""The account has 30 sub-accounts. No source names a code."""

NOT_A_BROKER = 730003
NOT_AN_AFFILIATE = 730003
"""The caller is no broker or no affiliate. No source names a code."""

NO_SUB_BALANCES = 730003
"""GET sub-account/asset asks for FUTURES: "only SPOT works"."""

UNKNOWN_NETWORK = 33333
"""The currency does not have this network. No source names a code; "parameter error" comes closest."""

WITHDRAWALS_CLOSED = 11444
"""withdrawEnable is false: "feature temporarily unavailable"."""

OUTSIDE_WITHDRAW_LIMITS = 10097
"""The amount is under withdrawMin or over withdrawMax: "amount wrong"."""

DUPLICATE_WITHDRAW_ID = 730002
"""The account has used this withdrawOrderId before. No source says that MEXC refuses it; a careful exchange would."""

NOT_CANCELLABLE = 10211
"""The withdrawal is processed or final. No source names a code; "transfer forbidden" comes closest."""

LONGEST_REMARK = 200

DUST_LIMIT_USDT = Decimal(5)
"""Largest value of a balance that may be converted into MX, in USDT."""
DUST_FEE = Decimal("0.02")
"""Share of the converted MX that the exchange charges, as in the sample of the conversion history."""
MAX_DUST_ASSETS = 15
DUST_TOO_MUCH = 30003
DUST_NO_MARKET = 30021
DUST_TOO_LITTLE = 30002
"""Reasons against converting an asset. The samples show 30021 only."""

REFERRAL_RATE = Decimal("0.3")
KICKBACK_RATE = Decimal("0.1")
BROKER_RATE = Decimal("0.3")
"""Shares of each fee: for the inviter, for the invited trader, and for the broker of a sub-account."""

FROZEN_ACCOUNT = 730100
"""The key belongs to a frozen sub-account: "user status unusual". Its main account gets 140002 on transfers."""

# Both sides pay the fee in the quote asset, exactly value x rate: recorded fills of buyers show commissionAsset USDT
# and unrounded amounts. A buy therefore holds its value and the taker fee on it. The documents only say that the fee
# asset comes from each fill (quote, base or MX).

# timeInForce is null in query answers, as recorded, and "GTC" in cancel answers, as documented. The trade and account
# wrappers use the code of each endpoint's sample answer (0 or 200).

# The stream

TOO_MANY_LISTEN_KEYS = 730003
"""The account asks for a 61st listen key. No source names a code; "operation not supported" comes closest."""

WS_MALFORMED_CODE = 1
WS_MALFORMED_TEXT = "msg format invalid"
WS_UNKNOWN_METHOD_TEXT = "method invalid"
"""Answers to text that is no control message. No source shows them. The socket stays open."""

LIMIT_DEPTH_MS = 100
BATCH_MS = 100
LEGACY_MS = 10
"""Intervals in ms at which limit.depth, bookTicker.batch and the channels known only from the schema are checked."""

# The 31st subscription gets the same text as any other refusal; so does a private channel without a listen key.
# An acknowledgement echoes accepted names in reverse order, because MEXC's order is not the request's either.
# The acknowledgement of an unsubscription leaves out names that were not subscribed. A sixth socket on one listen key
# is refused as if the key were invalid. Only control messages restart the idle timer; protocol-level pings do not.
# POST userDataStream makes a new key each time. Each command causes one account push per changed asset, fee included,
# and none if the balances end unchanged. limit.depth, bookTicker.batch and kline are pushed once at the start and then
# on each change; aggre.bookTicker is pushed in every window, changed or not, as observed. "increase.depth" is refused,
# as measured; the other legacy channels are served, although nobody has confirmed that MEXC still serves them.

# The `restart` fault keeps listen keys: MEXC grants them for 60 minutes and ties them to no connection. It also keeps
# the rate limit counters. The market stands still meanwhile, so the book is the same before and after.
