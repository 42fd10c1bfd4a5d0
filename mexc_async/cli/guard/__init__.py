"""`mexc-async guard`."""
