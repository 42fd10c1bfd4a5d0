"""Deposits, withdrawals, transfers, dust and rebates."""
