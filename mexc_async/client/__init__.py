"""The client, its settings and its views."""
