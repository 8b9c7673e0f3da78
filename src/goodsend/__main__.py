"""`python -m goodsend` is the `goodsend` command."""

import sys

from goodsend.cli import main

sys.exit(main())
