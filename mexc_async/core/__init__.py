"""The pure core: no I/O, no clock, no randomness; bytes, numbers and "now" come in as arguments."""
