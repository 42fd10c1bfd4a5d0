"""The REST interface of the simulated exchange."""
