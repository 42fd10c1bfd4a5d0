"""Build a wheel from a source distribution, install it into an empty environment from files alone, and use it there.

Run by `make test`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
import venv
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIST = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]


def main(wheelhouse: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        source = unpacked(sdist(folder), folder / "unpacked")
        with ThreadPoolExecutor() as pool:  # each build keeps to a folder of its own
            failing = pool.submit(wheel, source, folder / "failing", CC="false")
            without_core = pool.submit(wheel, source, folder / "pure", MEXC_ASYNC_PURE="1")
            best, _ = wheel(source, folder / "best")
        _, said = failing.result()
        assert said.count("no compiled core, the pure one will do") == 1, said
        pure, said = without_core.result()
        assert pure.name.endswith("-py3-none-any.whl"), pure.name
        assert not said, said
        environment = folder / "venv"
        venv.create(environment, with_pip=False)
        python = environment / "bin" / "python"
        install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-index"]
        install += ["--no-compile", "--disable-pip-version-check", "--find-links", str(wheelhouse), str(best)]
        subprocess.run(install, check=True)
        use(environment / "bin", folder, "pure" if best.name == pure.name else "compiled")
        install[-1:] = ["--force-reinstall", "--no-deps", str(pure)]
        subprocess.run(install, check=True)
        use(environment / "bin", folder, "pure")
    print("1 passed, 0 failed")


def sdist(folder: Path) -> Path:
    """Build the source distribution from a clean copy of the files that are or would be checked in."""
    copy = folder / "copy"
    names = subprocess.run(LIST, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    tracked = {name for name in names if name and (ROOT / name).is_file()}
    for name in tracked:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    build(copy, "sdist", folder, {})
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        packed = {name.partition("/")[2] for name in opened.getnames()}
    assert packed - tracked <= {"", "PKG-INFO"}, packed - tracked
    missing = {name for name in tracked - packed if not name.startswith((".ci/", ".git"))}
    assert not missing, f"the source distribution lacks {missing}"
    return archive


def unpacked(archive: Path, folder: Path) -> Path:
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")
    (source,) = folder.iterdir()
    return source


def wheel(source: Path, folder: Path, **environment: str) -> tuple[Path, str]:
    """Return the wheel and the output of its build."""
    said = build(source, "wheel", folder, environment)
    (built,) = folder.glob("*.whl")
    names = zipfile.ZipFile(built).namelist()
    assert "mexc_async/py.typed" in names, "the wheel has no py.typed"
    assert all(name.startswith(("mexc_async/", "mexc_async-")) for name in names), names
    assert not [name for name in names if name.endswith((".c", ".pyx", ".pxi", ".pxd"))], names
    return built, said


def build(source: Path, target: str, folder: Path, environment: dict[str, str]) -> str:
    """Build into `folder`, and return what was said but the name of what was built."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(folder)]
    environment = {name: value for name, value in os.environ.items() if name != "MEXC_ASYNC_PURE"} | environment
    done = subprocess.run(command, cwd=source, env=environment, check=True, capture_output=True, text=True)
    return "".join(line for line in done.stderr.splitlines(keepends=True) if not line.strip().endswith((".whl", ".gz")))


def use(bin_folder: Path, elsewhere: Path, core_kind: str) -> None:
    """Do with the installed package what a new user does first."""
    python, command = str(bin_folder / "python"), str(bin_folder / "mexc-async")
    code = "import mexc_async, sys; assert 'aiohttp' not in sys.modules; print(len(list(mexc_async.endpoints())))"
    count = subprocess.run([python, "-c", code], cwd=elsewhere, check=True, capture_output=True, text=True).stdout
    assert int(count) > 30, count
    code = "import mexc_async; print(mexc_async.core_kind)"
    kind = subprocess.run(
        [python, "-W", "error", "-c", code], cwd=elsewhere, check=True, capture_output=True, text=True
    ).stdout
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
