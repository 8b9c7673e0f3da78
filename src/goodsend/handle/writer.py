"""The thread that writes batches, one after the other. It keeps no process from ending, whatever it waits for."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue

from goodsend.handle.keep import Kept

_Task = tuple[Callable[[], Kept], "Future[Kept]"]


class Writer:
    """Runs what it is given in the order in which it came. Each future ends, with a result or the error raised."""

    def __init__(self) -> None:
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def submit(self, task: Callable[[], Kept]) -> "Future[Kept]":
        """Hand in a task."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="engine-writer", daemon=True)
            self._thread.start()
        future: Future[Kept] = Future()
        self._tasks.put((task, future))
        return future

    def close(self) -> None:
        """Let the thread end after what it was given; does not wait."""
        if self._thread is not None:
            self._tasks.put(None)

    def _run(self) -> None:
        while (taken := self._tasks.get()) is not None:
            task, future = taken
            try:
                kept = task()
            except Exception as error:  # noqa: BLE001 - told to who asks for the result
                future.set_exception(error)
            except BaseException as error:
                future.set_exception(RuntimeError(f"the writing thread was ended: {error!r}"))
                raise
            else:
                future.set_result(kept)
