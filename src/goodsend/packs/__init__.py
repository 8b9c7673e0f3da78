"""Shipped packs: data, no code. Each folder is one layer; an operator's own layers live outside the package."""
