"""The `mexc-async` command."""
