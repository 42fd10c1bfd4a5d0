"""WebSocket streams: sessions, subscriptions, the user data stream."""
