"""Integrations, one module each; each needs a library that the SDK itself does without."""
