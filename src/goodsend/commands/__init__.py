"""Command bodies: what each word of the `goodsend` command does. Arguments are parsed in `cli.py`."""
