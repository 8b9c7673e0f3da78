"""Scanning: what content says, as signals with a place and evidence. One file per family of signals."""
