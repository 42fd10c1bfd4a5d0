"""A moment as people type it."""

from __future__ import annotations

from datetime import UTC, datetime

FORMS = ", as in 2025-01-01, 2025-01-01T12:30 (UTC) or milliseconds"


def moment_ms(option: str, text: str, forms: str = FORMS) -> int:
    """Milliseconds UTC of a date, a time or milliseconds; `forms` is what the error says. Raises InvalidRequest."""
    from mexc_async.errors import InvalidRequest

    if text.isdecimal() and len(text) > len("20250101"):
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidRequest(f"{option} {text!r} is no time{forms}") from None
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
