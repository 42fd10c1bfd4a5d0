"""Rate limits: profiles, buckets, gates and the queue of those who wait."""
