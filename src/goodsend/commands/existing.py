"""The installation that is meant, for commands that look at what is there: none is begun by looking."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from goodsend.kit.errors import Misconfigured
from goodsend.settings import Settings
from goodsend.wiring import Installation, install

_DEMO = Path(".demo")


@contextmanager
def existing(settings: Settings, otherwise: str = "") -> Iterator[Installation]:
    """
    Open the installation of the settings. Raises Misconfigured where the data folder holds none.

    `otherwise` says what else can be done without one.
    """
    folder = settings.data_dir.expanduser()
    if not settings.database_url and not (folder / "postgres").is_dir():
        demo = f" (the demo of this folder: GOODSEND_DATA_DIR={_DEMO.absolute()})" if _DEMO.is_dir() else ""
        raise Misconfigured(
            f"there is no installation in {folder}: set GOODSEND_DATA_DIR or GOODSEND_DATABASE_URL as its server has "
            f"it{demo}{otherwise}"
        )
    with install(settings) as installation:
        yield installation
