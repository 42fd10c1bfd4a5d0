"""The matching engine, its symbols, orders and balances."""
