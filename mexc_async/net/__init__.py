"""The ring that opens sockets."""
