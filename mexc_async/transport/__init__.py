"""Bytes to the exchange and back."""
