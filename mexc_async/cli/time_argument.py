"""Times on the command line."""

from __future__ import annotations

from datetime import UTC, datetime

FORMS = ", such as 2025-01-01, 2025-01-01T12:30 (UTC) or milliseconds"


def time_ms(option: str, text: str, forms: str = FORMS) -> int:
    """Parse a date, a time or milliseconds into milliseconds UTC. Raises InvalidRequest, whose text ends in `forms`."""
    from mexc_async.errors import InvalidRequest

    if text.isdecimal() and len(text) > len("20250101"):
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidRequest(f"{option} {text!r} is not a time{forms}") from None
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
