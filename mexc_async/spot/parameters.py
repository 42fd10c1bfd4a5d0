"""Parameter types that several requests share, each with its rule."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from mexc_async.core.checks import Rule, between, client_id, symbol, symbol_list

Symbol: TypeAlias = Annotated[str, Rule(symbol)]
"""Upper case, no separator: BTCUSDT."""
SymbolList: TypeAlias = Annotated[str, Rule(symbol_list)]
"""Symbols joined by commas."""
ClientOrderId: TypeAlias = Annotated[str, Rule(client_id)]
"""1 to 32 visible ASCII characters."""
DepthLimit: TypeAlias = Annotated[int, Rule(between(1, 5000))]
PageLimit: TypeAlias = Annotated[int, Rule(between(1, 1000))]
"""Rows of one answer. Where MEXC's sources differ on the maximum, the greater is allowed and the exchange decides."""
