"""Run a program of another client against the simulator: `python foreign_bot.py LIBRARY URL FILE`.

ccxt and pymexc have a base URL that can be replaced. python-binance trades on Binance: it gets MEXC's key header too.
"""

from __future__ import annotations

import runpy
import sys
from importlib import import_module
from types import ModuleType
from typing import Any


def point_ccxt(rest: str) -> None:
    """Replace the URLs of ccxt's class."""
    ccxt: Any = import_module("ccxt")

    class Simulated(ccxt.mexc):  # type: ignore[misc]  # ccxt is optional: a checker may not see it
        def describe(self) -> Any:
            described: Any = super().describe()
            described["urls"]["api"] |= {
                "spot": {"public": rest, "private": rest},
                "contract": {"public": f"{rest}/api/v1/contract", "private": f"{rest}/api/v1/private"},
                "broker": {"private": f"{rest}/api/v3/broker"},
            }
            return described

    ccxt.mexc = Simulated


def point_pymexc(rest: str) -> None:
    """Replace pymexc's base URL; 1.3.1 imports a module that its wheel lacks."""
    sys.modules.setdefault("pymexc._async.web", ModuleType("pymexc._async.web"))
    base: Any = import_module("pymexc.base")
    base.SPOT = rest


def point_binance(rest: str) -> None:
    """Replace python-binance's base URL, and add MEXC's key header."""
    client: Any = import_module("binance").Client
    client.API_URL = f"{rest}/api"
    headers = client._get_headers
    client._get_headers = lambda self: headers(self) | {"X-MEXC-APIKEY": self.API_KEY}


def main() -> None:
    """Point the library at the simulator and run the program."""
    library, rest, program = sys.argv[1:]
    {"ccxt": point_ccxt, "pymexc": point_pymexc, "binance": point_binance}[library](rest)
    runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main()
