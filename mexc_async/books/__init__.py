"""Order books: levels, synchronisation, live books."""
