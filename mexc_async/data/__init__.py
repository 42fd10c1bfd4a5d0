"""Market history."""
