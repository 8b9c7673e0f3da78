"""The documentation. `generate.py` writes its reference pages."""
