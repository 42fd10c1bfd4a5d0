"""HTTP transports: connection pool, order lane, URLs and proxies."""
