"""Asyncio trading SDK for MEXC."""

__version__ = "0.1.0"
