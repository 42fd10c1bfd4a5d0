"""`mexc-async guard`: cancel the orders of a client whose process has ended or hangs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mexc_async.cli.connection_options import AsJson, Rest
from mexc_async.cli.exit_status import REFUSED, fail
from mexc_async.runtime.clock import SYSTEM

if TYPE_CHECKING:
    from mexc_async.client.sweep import SweepTask, Watch

MAX_RECV_WINDOW_MS = 60_000

Pid = Annotated[int | None, typer.Option(help="Process id to watch; the start time detects a reused id.")]
HeartbeatFile = Annotated[
    Path | None, typer.Option(help="File to watch; the client touches it: mexc.orders.heartbeat(FILE).")
]
MaxAge = Annotated[float, typer.Option(help="Seconds without a heartbeat until the client counts as gone.")]
Prefix = Annotated[
    str | None,
    typer.Option(help="Cancel orders whose client order id starts with this: its `OrderSettings(id_prefix=...)`."),
]
All = Annotated[bool, typer.Option("--all", help="Cancel every open order of the account.")]
Window = Annotated[int, typer.Option(help="Largest recv_window_ms that the client uses.")]
GiveUp = Annotated[float, typer.Option(help="Seconds until the guard gives up cancelling.")]


def guard(
    pid: Pid = None,
    heartbeat: HeartbeatFile = None,
    max_age: MaxAge = 5.0,
    prefix: Prefix = None,
    every: All = False,
    recv_window_ms: Window = 5_000,
    give_up_s: GiveUp = 600.0,
    json: AsJson = False,
    rest: Rest = None,
) -> None:
    """Cancel a client's orders when its process ends or its heartbeat stops, for any reason.

    The key comes from MEXC_API_KEY and MEXC_API_SECRET, or is the stored one in use. Exit status 0 once no order is
    open and none can be accepted any more, 1 if some may be, 2 for wrong input, 130 or 143 after Ctrl-C or SIGTERM.
    """
    from mexc_async.errors import ConfigError, MexcError

    try:
        task = _task(prefix, every, recv_window_ms, give_up_s)
        watch = _watch(pid, heartbeat, max_age)
        from mexc_async.cli.guard.run import Log, open_client  # slow to import
        from mexc_async.client.sweep import watch_and_cancel
        from mexc_async.runtime.runner import run

        is_done = run(watch_and_cancel(open_client(rest), watch, task, Log(json)))
    except ConfigError as error:
        fail(error)
    except MexcError as error:  # before the watch began
        fail(error, REFUSED)
    raise typer.Exit(0 if is_done else 1)


def _watch(pid: int | None, heartbeat: Path | None, max_age_s: float) -> Watch:
    from mexc_async.cli.guard.watch import HeartbeatWatch, ProcessWatch
    from mexc_async.errors import ConfigError

    if (pid is None) == (heartbeat is None):
        raise ConfigError(f"give one of --pid and --heartbeat; {'both' if pid is not None else 'neither'} given")
    if not 0.1 <= max_age_s <= 86_400:
        raise ConfigError(f"--max-age {max_age_s:g} must be a number of seconds from 0.1 to 86400")
    if pid is not None:
        return ProcessWatch(pid)
    assert heartbeat is not None
    return HeartbeatWatch(heartbeat, max_age_s, SYSTEM.monotonic())


def _task(prefix: str | None, every: bool, recv_window_ms: int, give_up_s: float) -> SweepTask:
    from mexc_async.client.sweep import MARGIN_MS, SweepTask
    from mexc_async.errors import ConfigError, InvalidRequest
    from mexc_async.schema.validation import client_id

    if (prefix is None) == (not every):
        raise ConfigError(f"give one of --prefix and --all; {'both' if every else 'neither'} given")
    if prefix is not None:
        try:
            client_id("--prefix", prefix)
        except InvalidRequest as error:
            raise ConfigError(error.message) from None
    if not 1 <= recv_window_ms <= MAX_RECV_WINDOW_MS:
        raise ConfigError(f"--recv-window-ms {recv_window_ms} must be from 1 to {MAX_RECV_WINDOW_MS}")
    least_s = (recv_window_ms + MARGIN_MS) / 1000
    if not least_s <= give_up_s <= 1e6:
        raise ConfigError(
            f"--give-up-s {give_up_s:g} must be from {least_s:g}, when no order can be accepted any more, to 1e6"
        )
    return SweepTask(prefix, recv_window_ms, give_up_s)
