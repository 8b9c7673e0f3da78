"""Sail: a Spark Connect server without Java, in this process, on a free port of loopback."""

import tempfile
from pathlib import Path
from shutil import rmtree
from typing import Any

from goodsend.archive.engines.processes import LOOPBACK
from goodsend.archive.engines.spark import SparkConnect
from goodsend.kit.errors import Misconfigured


def start_sail(folder: Path | None = None) -> SparkConnect:
    """
    Start a Sail server and return an engine on it; both end with `close`. Kept steps are written below `folder`.

    Raises Misconfigured when pysail is missing, or does not know the installed pyspark.
    """
    try:
        from pysail.spark import SparkConnectServer
    except ImportError as error:
        raise Misconfigured(f"Sail needs more packages: pip install 'goodsend[spark]' ({error})") from error
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    kept = Path(tempfile.mkdtemp(prefix="sail-", dir=folder))
    server: Any = SparkConnectServer(LOOPBACK, 0)
    server.start(background=True)

    def close() -> None:
        server.stop()
        rmtree(kept, ignore_errors=True)

    _, port = server.listening_address
    try:
        return SparkConnect(f"sc://{LOOPBACK}:{port}", name="sail", kept_in=kept, on_close=close)
    except BaseException:
        close()
        raise
