"""Handlers of the simulated endpoints, one module a group."""
