"""`goodsend train`: models a team trains itself."""

import argparse

from goodsend.commands import train_content
from goodsend.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    kinds = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    train_content.add_arguments(
        kinds.add_parser("content", help="train the content models that ship, from the documented data")
    )


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Train what was named."""
    return train_content.run(options)
