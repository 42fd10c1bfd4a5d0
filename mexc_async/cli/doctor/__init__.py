"""`mexc-async doctor`."""
