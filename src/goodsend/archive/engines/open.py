"""Turn what a person wrote after `--engine` into an engine."""

import os
import tempfile
from pathlib import Path
from shutil import rmtree

from goodsend.archive.engines.duck import DuckDB
from goodsend.archive.engines.model import SqlEngine
from goodsend.archive.engines.processes import ConnectServer
from goodsend.archive.engines.sail import start_sail
from goodsend.archive.engines.spark import SparkConnect
from goodsend.kit.errors import Misconfigured

FORMS = "duckdb, sail, sc://HOST:PORT (a Spark Connect server) or spark://HOST:PORT (a Spark master)"


def open_engine(
    text: str = "duckdb", *, folder: Path | None = None, memory: str | None = None, threads: int | None = None
) -> SqlEngine:
    """
    Open the engine that `text` names; the caller closes it.

    `duckdb`: in this process, bounded by `memory` (such as `4GB`) and `threads`. `sail`: in this process, no Java.
    `sc://…`: a Spark Connect server that runs already. `spark://…`: a Connect server is started here for that master
    and ends with the engine. Scratch files go below `folder`.
    Raises Misconfigured or Retryable with a sentence for the operator.
    """
    if text == "duckdb":
        return DuckDB(folder, memory=memory, threads=threads)
    if text == "sail":
        return start_sail(folder)
    if text.startswith("sc://"):
        return SparkConnect(text)
    if text.startswith("spark://"):
        return _on_master(text, folder)
    raise Misconfigured(f"{text!r} is not an engine; known: {FORMS}")


def _on_master(master: str, folder: Path | None) -> SqlEngine:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    own = Path(tempfile.mkdtemp(prefix="spark-", dir=folder))
    server = None
    try:
        server = ConnectServer(own, master, {}, memory=os.environ.get("SPARK_DRIVER_MEMORY", "1g"))
        started = server

        def close() -> None:
            started.close()
            rmtree(own, ignore_errors=True)

        return SparkConnect(server.url, on_close=close)
    except BaseException:
        if server is not None:
            server.close()
        rmtree(own, ignore_errors=True)
        raise
