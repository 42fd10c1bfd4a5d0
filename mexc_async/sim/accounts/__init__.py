"""Accounts of the simulated exchange, their keys and sub-accounts."""
