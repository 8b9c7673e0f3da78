"""The HTTP API: events in, decisions and scans out, reads for machines. Pages for people live in `console`."""
