"""Simulated exchange of one client: `mexc-async sim` as a child process, started and stopped with it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile

import msgspec

from mexc_async.errors import ConfigError
from mexc_async.rest.credentials import Credentials
from mexc_async.runtime.clock import SYSTEM
from mexc_async.schema.answers import first_bytes
from mexc_async.transport.urls import ExchangeUrls

START_S = 30.0
STOP_S = 5.0


class _Ready(msgspec.Struct):
    """First line of the child: its URLs."""

    rest: str
    spot_ws: str


class SimulatorProcess(ExchangeUrls):
    """A simulated exchange and the owner of its process. `arguments` are those of `mexc-async sim`.

    The port in its URLs is right once it serves.
    """

    def __init__(self, *arguments: str) -> None:
        super().__init__("http://127.0.0.1")
        self._arguments = arguments
        self._process: asyncio.subprocess.Process | None = None
        # A secret: never drawn from a generator that repeats itself.
        key, secret = f"mx0sim{SYSTEM.random.randbytes(8).hex()}", SYSTEM.random.randbytes(16).hex()
        # By the environment, because everybody on the machine can read a command line.
        self._login = {"MEXC_SIM_API_KEY": key, "MEXC_SIM_API_SECRET": secret}
        self.credentials = Credentials(key, secret)

    async def start(self) -> None:
        """Start it and learn its URLs. Raises ConfigError with the child's own message if it does not serve."""
        with tempfile.TemporaryFile() as words:  # a pipe that nobody reads would fill, and block the child
            process = self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "mexc_async.cli.app", "sim", "--port", "0", "--with-parent", *self._arguments),
                env={**os.environ, **self._login},
                stdin=asyncio.subprocess.PIPE,  # closes with this process, however that ends, and ends the child
                stdout=asyncio.subprocess.PIPE,
                stderr=words,
                start_new_session=True,  # Ctrl-C in a terminal is for the client, which still has orders to cancel
            )
            assert process.stdout is not None
            line = b""
            try:
                async with asyncio.timeout(START_S):
                    line = await process.stdout.readline()
                    if line:
                        ready = msgspec.json.decode(line, type=_Ready)
                        self.rest, self.ws = ready.rest, ready.spot_ws
                        return
                    await process.wait()
            except TimeoutError:
                await self.stop()
                raise ConfigError(f"the simulated exchange did not start within {START_S:g} s") from None
            except msgspec.MsgspecError:
                await self.stop()
                raise ConfigError(f"the simulated exchange did not start: {first_bytes(line)}") from None
            except BaseException:
                await self.stop()
                raise
            await self.stop()
            words.seek(0)
            last = words.read().decode("utf-8", "replace").strip().splitlines()[-1:]
            raise ConfigError(f"the simulated exchange did not start: {last[0] if last else 'no message'}")

    async def stop(self) -> None:
        """Stop it and wait for its end; idempotent."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
