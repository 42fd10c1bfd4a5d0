"""Rate limits: profiles, buckets, gates and the queue of waiting requests."""
