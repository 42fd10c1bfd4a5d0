"""Event hooks, background tasks, the priority semaphore and the program runner."""
