"""The WebSocket interface of the simulated exchange."""
