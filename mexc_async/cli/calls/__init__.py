"""`mexc-async calls`."""
