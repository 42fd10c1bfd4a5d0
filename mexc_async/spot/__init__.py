"""The spot API, declared."""
