"""
Starts Spark's processes from the wheel of `pyspark`: a Connect server for a master, and a master with workers.

Every process writes only into a folder of ours and ends with whoever started it (`keeper.py`). Java is the machine's.
"""

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Self

from goodsend.kit.errors import Misconfigured, Retryable

_KEEPER = Path(__file__).with_name("keeper.py")

START_S = 120.0
"""A Java process on a busy machine with two cores was ready after 3 to 15 s (measured); a stuck one is given up."""

STOP_S = 20.0

LOOPBACK = "127.0.0.1"

_JAVA_OPTIONS = "-XX:+UseSerialGC -XX:-UsePerfData -Djava.net.preferIPv4Stack=true"
"""No files in the machine's /tmp, one address family, and a collector for small heaps. The executors' are a setting."""

_LOG_SETTINGS = """\
rootLogger.level = warn
rootLogger.appenderRef.stdout.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{yyyy-MM-dd'T'HH:mm:ss} %p %c{1}: %m%n%ex
logger.master.name = org.apache.spark.deploy.master.Master
logger.master.level = info
logger.worker.name = org.apache.spark.deploy.worker.Worker
logger.worker.level = info
logger.connect.name = org.apache.spark.sql.connect.service.SparkConnectServer
logger.connect.level = info
"""


def java_problem() -> str | None:
    """Return why Spark's processes cannot be started here, None when they can."""
    if find_spec("pyspark") is None:
        return "pyspark is not installed: pip install 'goodsend[spark]'"
    home = os.environ.get("JAVA_HOME")
    if not (home and os.access(Path(home, "bin", "java"), os.X_OK)) and shutil.which("java") is None:
        return "no Java is found: install a Java 17 runtime (Debian: openjdk-17-jre-headless), or set JAVA_HOME"
    return None


class SparkProcess:
    """One process of Spark: its log, and what it said when it was ready. Use as a context."""

    def __init__(
        self, folder: Path, name: str, arguments: Sequence[str], *, memory: str, environment: Mapping[str, str] = {}
    ) -> None:
        """Start `spark-class` with these arguments; `folder` takes logs and scratch files."""
        problem = java_problem()
        if problem is not None:
            raise Misconfigured(problem)
        for part in ("tmp", "local"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        logging = folder / "log4j2.properties"
        logging.write_text(_LOG_SETTINGS)
        self.name = name
        self.log = folder / f"{name}.log"
        options = f"{_JAVA_OPTIONS} -Dlog4j2.configurationFile={logging.as_uri()} -Djava.io.tmpdir={folder / 'tmp'}"
        home = _spark_home()
        # Whatever SPARK_… the asker has set stays, such as SPARK_CONF_DIR with the keys of an object store.
        given = {
            **os.environ,
            "SPARK_HOME": str(home),
            "SPARK_LOCAL_DIRS": str(folder / "local"),
            "SPARK_DAEMON_MEMORY": memory,
            "SPARK_DAEMON_JAVA_OPTS": options,
            "SPARK_SUBMIT_OPTS": options,
            "PYSPARK_PYTHON": os.environ.get("PYSPARK_PYTHON", sys.executable),
            **environment,
        }
        for inherited in ("SPARK_CONNECT_MODE_ENABLED", "SPARK_REMOTE", "SPARK_LOCAL_REMOTE", "SPARK_API_MODE"):
            given.pop(inherited, None)  # of a client; a server that has them tries to be one
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-S", "-E", str(_KEEPER), str(home / "bin" / "spark-class"), *arguments],
                stdin=subprocess.PIPE, stdout=log, stderr=log, cwd=folder, env=given, start_new_session=True,
            )  # fmt: skip

    def wait_for(self, said: str) -> str:
        """Wait until the log matches and return the first group. Raises Retryable with the log's end when it ends."""
        wanted = re.compile(said)
        deadline = time.monotonic() + START_S
        while True:
            is_over = self._process.poll() is not None or time.monotonic() > deadline
            found = wanted.search(self._log_text())
            if found:
                return found[1]
            if is_over:
                raise Retryable(f"Spark's {self.name} did not start: …{self._log_text()[-1_500:].strip()}")
            time.sleep(0.03)

    def _log_text(self) -> str:
        return self.log.read_text("utf-8", "replace")

    def hang_up(self) -> None:
        """Tell it to end, without waiting."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    def close(self) -> None:
        """End it and wait."""
        self.hang_up()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class ConnectServer:
    """A Spark Connect server of our own, on a free port of loopback, that runs its work on a master's cluster."""

    def __init__(self, folder: Path, master: str, settings: Mapping[str, str], *, memory: str = "1g") -> None:
        """
        Start it and wait until it listens. `master` is `spark://host:port` or `local[n]`.

        Raises Misconfigured without Java or pyspark, Retryable when it does not start.
        """
        chosen = {
            "spark.connect.grpc.binding.address": LOOPBACK,
            "spark.connect.grpc.binding.port": "0",
            "spark.ui.enabled": "false",
            "spark.driver.memory": memory,
            "spark.sql.catalogImplementation": "in-memory",
            "spark.sql.warehouse.dir": str(folder / "warehouse"),
            "spark.sql.session.timeZone": "UTC",
            **({"spark.driver.host": LOOPBACK, "spark.driver.bindAddress": LOOPBACK} if _is_local(master) else {}),
            **settings,
        }
        options = [part for name, value in chosen.items() for part in ("--conf", f"{name}={value}")]
        environment = {"SPARK_LOCAL_IP": LOOPBACK} if _is_local(master) else {}
        self.process = SparkProcess(
            folder, "connect",
            ["org.apache.spark.deploy.SparkSubmit", "--master", master, *options,
             "--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "spark-internal"],
            memory=memory, environment=environment,
        )  # fmt: skip
        try:
            port = self.process.wait_for(r"Spark Connect server started at: \S*?:(\d+)")
        except BaseException:
            self.process.close()
            raise
        self.url = f"sc://{LOOPBACK}:{port}"

    def close(self) -> None:
        """End the server; its executors end with it."""
        self.process.close()


class LocalCluster:
    """A standalone cluster on loopback: one master and its workers, each a process of its own. For tests and trials."""

    def __init__(self, folder: Path, *, workers: int = 2, cores: int = 1, worker_memory: str = "1g") -> None:
        """Start them and wait until every worker has joined. Raises Misconfigured or Retryable."""
        self.folder = folder
        self.processes: list[SparkProcess] = []
        try:
            self.master = self._start_master()
            for number in range(1, workers + 1):
                self._start_worker(number, cores, worker_memory)
            for worker in self.processes[1:]:
                worker.wait_for(r"(Successfully registered with master)")
        except BaseException:
            self.close()
            raise

    def _start_master(self) -> str:
        arguments = ["--host", LOOPBACK, "--port", "0", "--webui-port", "0"]
        self.processes.append(self._process("master", "org.apache.spark.deploy.master.Master", arguments))
        return self.processes[0].wait_for(r"Starting Spark master at (spark://\S+)")

    def _start_worker(self, number: int, cores: int, memory: str) -> None:
        folder = self.work_folder(number)
        folder.mkdir(parents=True, exist_ok=True)
        arguments = [
            "--host", LOOPBACK, "--cores", str(cores), "--memory", memory, "--webui-port", "0",
            "--work-dir", str(folder), self.master,
        ]  # fmt: skip
        self.processes.append(self._process(f"worker-{number}", "org.apache.spark.deploy.worker.Worker", arguments))

    def _process(self, name: str, main: str, arguments: Sequence[str]) -> SparkProcess:
        return SparkProcess(
            self.folder, name, [main, *arguments], memory="192m", environment={"SPARK_LOCAL_IP": LOOPBACK}
        )

    def work_folder(self, worker: int) -> Path:
        """Return where a worker (counted from 1) keeps the files of its executors, one folder an application."""
        return self.folder / f"work-{worker}"

    def close(self) -> None:
        """End all of them at once."""
        closing = [threading.Thread(target=process.close) for process in self.processes]
        for thread in closing:
            thread.start()
        for thread in closing:
            thread.join()


def _spark_home() -> Path:
    found = find_spec("pyspark")
    if found is None or not found.submodule_search_locations:
        raise Misconfigured("pyspark is not installed")
    return Path(next(iter(found.submodule_search_locations)))


def _is_local(master: str) -> bool:
    return master.startswith("local") or f"//{LOOPBACK}:" in master or "//localhost:" in master
