"""One REST call: credentials, signing, clock, retry."""
