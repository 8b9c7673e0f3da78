"""Events: one thing that happened, at one time, immutable; and the canonical form of what they carry."""
