"""Rehearsals: a strategy in many worlds of faults, with rules that must hold at the end of each."""
