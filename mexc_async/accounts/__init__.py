"""Several accounts, and transfers and withdrawals between them."""
