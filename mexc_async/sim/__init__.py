"""A simulated MEXC on loopback: signed REST, price-time matching, exact balances, rate limits."""
