"""Features: memories over events. An aggregate over a key and a sliding window on event time, defined as data."""
