"""`mexc-async demo`."""
