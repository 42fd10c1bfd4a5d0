"""Orders: records, placing, tracking, sessions."""
