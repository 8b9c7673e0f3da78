"""Scoring: models that turn facts into one calibrated score each. Models see facts, never events."""
