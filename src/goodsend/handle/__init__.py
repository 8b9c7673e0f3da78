"""A batch of events end to end: gather (store), judge (pure), keep (one transaction). The single writer lives here."""

from goodsend.handle.engine import Engine
from goodsend.handle.model import Answer, Busy

__all__ = ["Answer", "Busy", "Engine"]
