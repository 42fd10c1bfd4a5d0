"""`mexc-async call` and `endpoints`: commands made from the declarations."""
