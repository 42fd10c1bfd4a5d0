"""`mexc-async keys`."""
