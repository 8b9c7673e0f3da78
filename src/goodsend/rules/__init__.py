"""Rules: SQL boolean expressions over facts, as data; which of them fire on one row."""
