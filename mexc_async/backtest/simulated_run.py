"""A strategy on a simulated exchange in real time, with the result of a back-test."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Unpack

from mexc_async.backtest.result import Result
from mexc_async.backtest.session import Session, own_settings
from mexc_async.backtest.strategy import Main, Strategy
from mexc_async.client.settings import Network, Settings
from mexc_async.runtime.clock import SYSTEM
from mexc_async.sim.rest.http import Handler
from mexc_async.sim.rest.port import Port
from mexc_async.sim.rest.server import SimConfig


class _Loopback:
    """Connection of clients with an exchange over this machine's loopback."""

    network = Network()

    def listen(self, handler: Handler, host: str, port: int) -> Port:
        return Port(handler, host, port)


def simulate(
    main: Main,
    *,
    parameters: Mapping[str, object] | None = None,
    exchange: SimConfig | None = None,
    quote: str = "USDT",
    sample_s: float = 60.0,
    on_interrupt: Callable[[Result], None] | None = None,
    **settings: Unpack[Settings],
) -> Coroutine[Any, Any, Result]:
    """Return the coroutine of a run in real time on a simulated exchange, for `mexc_async.run`.

        result = mexc_async.run(backtest.simulate(main, parameters={"levels": 5}))

    Args:
        main: the strategy, `async def main(mexc, **parameters)`. It ends by returning, or by Ctrl-C.
        parameters: values of its parameters, by name; text is converted to their annotated types.
        exchange: settings of the simulated exchange, such as accounts, seed and latency. With one account `main` gets a
            `Mexc`, with several an `Accounts`.
        quote: asset in which profit is counted.
        sample_s: seconds between two points of the equity curve.
        on_interrupt: function to call with the result after Ctrl-C, the usual end of such a run.
        settings: those of `Mexc`, apart from `rest`, `ws`, `proxy` and `clock`.

    Raises ConfigError; the coroutine raises what `main` raises.
    """
    strategy, exchange = Strategy(main, parameters), exchange or SimConfig()
    return Session(
        strategy=strategy,
        config=exchange,
        clock=SYSTEM,
        join=_Loopback(),
        quote=quote,
        market="simulator" if exchange.tape is None else exchange.tape.name,
        sample_s=sample_s,
        settings=own_settings(settings),
        on_interrupt=on_interrupt,
    ).run()
