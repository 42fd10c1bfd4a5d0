"""Declarations of requests, answers and pushes, and how they are written and read."""
