"""`python -m mexc_async`: the same as `mexc-async`."""

from __future__ import annotations

from mexc_async.cli.app import main

if __name__ == "__main__":
    main()
