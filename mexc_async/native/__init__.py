"""The compiled core, and its loader."""
