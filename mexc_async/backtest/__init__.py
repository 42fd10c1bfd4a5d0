"""Back-tests: a strategy and a simulated exchange in one process, on one virtual clock."""
