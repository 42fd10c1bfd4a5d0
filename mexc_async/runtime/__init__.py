"""Clocks, tasks and their owner, events, the program runner."""
