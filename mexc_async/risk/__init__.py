"""Pre-trade risk limits, exposure and alarms."""
