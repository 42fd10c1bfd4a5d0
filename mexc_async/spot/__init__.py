"""Declarations of the spot API: endpoints, answers and pushes."""
