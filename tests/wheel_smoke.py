"""Build the wheel, install it into an empty environment from files alone, and use it there. Run by `make test`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import urllib.request
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main(wheelhouse: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        _, said = build(folder / "failing", CC="false")
        assert said.count("no compiled core, the pure one will do") == 1, said
        pure, said = build(folder / "pure", MEXC_ASYNC_PURE="1")
        assert pure.name.endswith("-py3-none-any.whl"), pure.name
        assert not said, said
        wheel, _ = build(folder)
        environment = folder / "venv"
        venv.create(environment, with_pip=False)
        python = environment / "bin" / "python"
        install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-index"]
        install += ["--disable-pip-version-check", "--find-links", str(wheelhouse), str(wheel)]
        subprocess.run(install, check=True)
        use(environment / "bin", folder, "pure" if wheel.name == pure.name else "compiled")
        install[-1:] = ["--force-reinstall", "--no-deps", str(pure)]
        subprocess.run(install, check=True)
        use(environment / "bin", folder, "pure")
    print("1 passed, 0 failed")


def build(folder: Path, **environment: str) -> tuple[Path, str]:
    """Return the wheel and the output of its build."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    environment = {name: value for name, value in os.environ.items() if name != "MEXC_ASYNC_PURE"} | environment
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
    (wheel,) = folder.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "mexc_async/py.typed" in names, "the wheel has no py.typed"
    assert all(name.startswith(("mexc_async/", "mexc_async-")) for name in names), names
    assert not [name for name in names if name.endswith((".c", ".pyx", ".pxi"))], names
    return wheel, "".join(line for line in done.stderr.splitlines(keepends=True) if ".whl" not in line)


def use(bin_folder: Path, elsewhere: Path, core_kind: str) -> None:
    """Do with the installed package what a new user does first."""
    python, command = str(bin_folder / "python"), str(bin_folder / "mexc-async")
    code = "import mexc_async, sys; assert 'aiohttp' not in sys.modules; print(len(list(mexc_async.endpoints())))"
    count = subprocess.run([python, "-c", code], cwd=elsewhere, check=True, capture_output=True, text=True).stdout
    assert int(count) > 30, count
    code = "import mexc_async; print(mexc_async.core_kind)"
    kind = subprocess.run([python, "-c", code], cwd=elsewhere, check=True, capture_output=True, text=True).stdout
    assert kind.strip() == core_kind, kind
    version = subprocess.run([command, "--version"], check=True, capture_output=True, text=True).stdout
    assert version.startswith("mexc-async "), version
    with subprocess.Popen([command, "sim", "--port", "0"], stdout=subprocess.PIPE, cwd=elsewhere, text=True) as sim:
        try:
            assert sim.stdout is not None
            rest = json.loads(sim.stdout.readline())["rest"]
            with urllib.request.urlopen(f"{rest}/api/v3/time", timeout=10) as answer:
                assert json.load(answer)["serverTime"] > 0
        finally:
            sim.send_signal(signal.SIGTERM)
        assert sim.wait(timeout=10) == 0, sim.returncode


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
