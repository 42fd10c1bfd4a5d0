"""The simulated market: liquidity, price paths, recorded order flow."""
