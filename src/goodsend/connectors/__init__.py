"""Connectors: out of the house. One file per outside thing, each with a twin; nothing here knows a table."""
