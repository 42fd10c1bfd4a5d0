"""Simulated MEXC exchange on loopback: signed REST, streams, price-time matching, exact balances, rate limits."""
