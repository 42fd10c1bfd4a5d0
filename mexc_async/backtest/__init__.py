"""Back-tests: a strategy, `async def main(mexc, **parameters)`, on a recorded market in virtual time.

from mexc_async import backtest

result = backtest.run(main, tape="btc-1m.csv.gz", parameters={"levels": 5})
"""

from mexc_async.backtest.recorded_run import Progress, run
from mexc_async.backtest.rehearsal.rehearse import RehearsalProgress, rehearse
from mexc_async.backtest.rehearsal.report import Rehearsal, SeedFailure
from mexc_async.backtest.result import BoundLimit, Drawdown, Result, RunBalance, RunFill, RunOrder
from mexc_async.backtest.simulated_run import simulate
from mexc_async.sim.wallet.account_audit import AccountAudit

__all__ = [
    "AccountAudit",
    "BoundLimit",
    "Drawdown",
    "Progress",
    "Rehearsal",
    "RehearsalProgress",
    "Result",
    "RunBalance",
    "RunFill",
    "RunOrder",
    "SeedFailure",
    "rehearse",
    "run",
    "simulate",
]
