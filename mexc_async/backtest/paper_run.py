"""A strategy on a simulated exchange in real time: paper trading, with the result of a back-test."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Unpack

from mexc_async.backtest.result import Result
from mexc_async.backtest.session import Session
from mexc_async.backtest.strategy import Main, Strategy
from mexc_async.client.settings import Settings
from mexc_async.runtime.clock import SYSTEM
from mexc_async.sim.rest.server import SimConfig


def paper(
    main: Main,
    *,
    parameters: Mapping[str, object] | None = None,
    config: SimConfig | None = None,
    quote: str = "USDT",
    sample_s: float = 60.0,
    on_interrupt: Callable[[Result], None] | None = None,
    **settings: Unpack[Settings],
) -> Coroutine[Any, Any, Result]:
    """Return the coroutine of a run in real time on the simulator's generated market, for `mexc_async.run`.

        result = mexc_async.run(backtest.paper(main, parameters={"levels": 5}))

    Args:
        main: the strategy, `async def main(mexc, **parameters)`. It ends by returning, or by Ctrl-C.
        parameters: values of its parameters, by name; text is converted to their annotated types.
        config: the simulator's settings, its accounts among them.
        quote: asset in which profit is counted.
        sample_s: seconds between two points of the equity curve.
        on_interrupt: function to call with the result after Ctrl-C, the usual end of such a run.
        settings: those of `Mexc`, apart from `rest`, `ws` and `clock`.

    Raises ConfigError; the coroutine raises what `main` raises.
    """
    strategy, config = Strategy(main, parameters), config or SimConfig()
    market = "simulator" if config.tape is None else config.tape.name
    return Session(
        strategy=strategy,
        config=config,
        clock=SYSTEM,
        quote=quote,
        market=market,
        sample_s=sample_s,
        settings=settings,
        on_interrupt=on_interrupt,
    ).run()
