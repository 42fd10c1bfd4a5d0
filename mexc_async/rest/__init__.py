"""REST calls: credentials, signature, clock, retry and the request pipeline."""
