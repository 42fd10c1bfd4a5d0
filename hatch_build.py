"""Build hook: adds the compiled core to the wheel if it can be built; else the wheel is pure."""

from __future__ import annotations

import os
import shutil
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCE = Path("mexc_async", "native", "_compiled.pyx")


class CompiledCore(BuildHookInterface[Any]):
    """Hook that runs Cython and the C compiler; MEXC_ASYNC_PURE=1 skips both."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the extension to the wheel, or for an editable installation put it beside its source."""
        if self.target_name != "wheel":
            return
        target = Path(self.root, SOURCE).with_suffix(str(sysconfig.get_config_var("EXT_SUFFIX")))
        if version == "editable":
            target.unlink(missing_ok=True)  # no core is better than an outdated one
        if os.environ.get("MEXC_ASYNC_PURE"):
            return
        self.scratch = Path(tempfile.mkdtemp())
        try:
            built = compile_core(Path(self.root), self.scratch)
        except (Exception, SystemExit) as error:  # no compiler, no headers, no Cython: the pure core works too
            self.app.display_warning(f"no compiled core, the pure one will do: {error or type(error).__name__}")
            return
        if version == "editable":
            shutil.copy(built, target)
            return
        build_data["force_include"][str(built)] = str(target.relative_to(self.root))
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the build files."""
        if hasattr(self, "scratch"):
            shutil.rmtree(self.scratch, ignore_errors=True)


def compile_core(root: Path, scratch: Path) -> Path:
    """Build the extension in `scratch` and return its file. Raises the errors of the build."""
    from Cython.Build import cythonize
    from setuptools import Distribution, Extension

    no_debugging = [] if os.name == "nt" else ["-g0"]
    extension = Extension("mexc_async.native._compiled", [str(root / SOURCE)], extra_compile_args=no_debugging)
    modules = cythonize([extension], build_dir=str(scratch), quiet=True)
    build = Distribution({"ext_modules": modules}).get_command_obj("build_ext")
    build.build_temp, build.build_lib = str(scratch), str(scratch / "lib")
    build.ensure_finalized()
    build.run()
    (path,) = build.get_outputs()
    return Path(path)
