"""The package's logger; it is silent until the application configures logging."""

from __future__ import annotations

import logging

logger = logging.getLogger("mexc_async")
logger.addHandler(logging.NullHandler())
