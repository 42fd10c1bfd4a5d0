"""Cost before a program's first call: importing the package, and opening a first client.

Every run is a separate process that times itself, so the figures exclude the interpreter's start, which has its own.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec

import orjson

from benchmarks.harness import OWN, Goal, Report, Row, Sample, Settings, SubjectFailed, interleave, summarise

IMPORTS = {
    OWN: "import mexc_async",
    "aiohttp": "import aiohttp",
    "bare interpreter": "",
}
PEERS = {
    "ccxt": "import ccxt.async_support",
    "aiomexc": "import aiomexc",
    "pymexc": "import pymexc.spot",
    "typed_mexc": "import typed_mexc",
    "binance": "import binance",
}
"""Other clients, measured if installed."""
FIRST_CLIENTS = {
    OWN: """
        import asyncio
        from mexc_async import Mexc
        async def main():
            async with Mexc():
                pass
        asyncio.run(main())""",
    "aiohttp": """
        import asyncio
        from aiohttp import ClientSession
        async def main():
            async with ClientSession():
                pass
        asyncio.run(main())""",
}
_FRAME = """
import time
def work():
    pass
    {work}
wall, cpu = time.perf_counter(), time.process_time()
work()
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
try:  # of this program image alone; ru_maxrss counts the parent's from before exec
    with open("/proc/self/status") as status:
        peak_kib = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
except OSError:
    import resource, sys
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "darwin" else 1)
print('{{"wall_ms": %.3f, "cpu_ms": %.3f, "rss_mib": %.2f}}' % (wall * 1e3, cpu * 1e3, peak_kib / 1024))
"""


def run(settings: Settings) -> Report:
    """Measure import time and memory, compared with aiohttp's, which every alternative imports."""
    imports, notes = dict(IMPORTS), ["wall_ms, cpu_ms: inside the process; process_ms: with the interpreter's start"]
    for package, code in PEERS.items():
        if find_spec(package) is None:
            notes.append(f"absent: {package} is not installed")
            continue
        try:
            _process(code)()
        except SubjectFailed as failure:
            notes.append(f"absent: {package}: {failure}")
        else:
            imports[package] = code
    rows: list[Row] = []
    for case, codes in {"import": imports, "first client": FIRST_CLIENTS}.items():
        subjects = {name: _process(code) for name, code in codes.items()}
        if not settings.quick:
            for warm in subjects.values():  # compiles modules for the first time, fills the page cache
                warm()
        compared = ["wall_ms", "cpu_ms", "rss_mib"]
        rows += summarise(case, interleave(subjects, settings.rounds), ["aiohttp"], compared)
    return Report(rows, [Goal("import", "cpu_ms", "aiohttp", 0.3), Goal("import", "wall_ms", "aiohttp", 0.3)], notes)


def _process(code: str) -> Callable[[], Sample]:
    script = _FRAME.format(work="\n    ".join(code.strip().split("\n        ")))

    def measure() -> Sample:
        started = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
        taken = time.perf_counter() - started
        if done.returncode:
            raise SubjectFailed((done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1])
        sample: Sample = orjson.loads(done.stdout.splitlines()[-1])
        return {**sample, "process_ms": taken * 1e3}

    return measure
