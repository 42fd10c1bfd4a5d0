"""Credentials from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping

from mexc_async.errors import MissingCredentials
from mexc_async.rest.credentials import Credentials

KEY_VARIABLE = "MEXC_API_KEY"
SECRET_VARIABLE = "MEXC_API_SECRET"  # noqa: S105 - the variable's name


def from_environment(environ: Mapping[str, str] | None = None) -> Credentials:
    """Read MEXC_API_KEY and MEXC_API_SECRET. Raises MissingCredentials, which names the one that is not set."""
    environ = os.environ if environ is None else environ
    try:
        missing = [name for name in (KEY_VARIABLE, SECRET_VARIABLE) if not environ.get(name)]
        if missing:
            raise MissingCredentials(f"{' and '.join(missing)} not set in the environment")
        return Credentials(environ[KEY_VARIABLE], environ[SECRET_VARIABLE])
    finally:
        del environ  # a traceback may show all variables
