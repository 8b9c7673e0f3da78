"""
From `git clone` to a console that shows decisions: seconds, with warm package caches and with empty ones.

Clones the last commit into a fresh folder and runs `./dev demo` there, as a new user would. `--cold` gives
uv, pip and npm empty caches. The last line is one JSON object.
"""

import argparse
import json
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.request import Request, urlopen

ROOT = Path(__file__).parent.parent


def main() -> None:
    """Measure once and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cold", action="store_true", help="with empty package caches")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="goodsend-first-look-") as folder:
        print(json.dumps({"caches": "empty" if options.cold else "warm"} | _measure(Path(folder), options.cold)))


def _measure(folder: Path, is_cold: bool) -> dict[str, float]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VIRTUAL_ENV")}
    if is_cold:
        caches = {"UV_CACHE_DIR": "uv", "PIP_CACHE_DIR": "pip", "npm_config_cache": "npm"}
        environment |= {name: str(folder / "caches" / sub) for name, sub in caches.items()}
    figures = {}
    began = time.monotonic()
    subprocess.run(["git", "clone", "-q", str(ROOT), str(folder / "clone")], check=True)
    command = [str(folder / "clone" / "dev"), "demo", "--port", "0", "--data", str(folder / "data")]
    demo = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True, cwd=folder / "clone"
    )
    try:
        found = _printed(demo)
        figures["console_printed_s"] = round(time.monotonic() - began, 2)
        while not _decisions(found["Console"], found["API key"]):
            time.sleep(0.1)
        figures["decisions_shown_s"] = round(time.monotonic() - began, 2)
    finally:
        os.killpg(demo.pid, signal.SIGTERM)
        demo.wait(timeout=60)
    return figures


def _printed(demo: "subprocess.Popen[str]") -> dict[str, str]:
    found: dict[str, str] = {}
    assert demo.stdout is not None
    for line in demo.stdout:
        for name in ("Console", "Sign-in", "API key"):
            if line.startswith(name):
                found[name] = line.removeprefix(name).strip()
        if len(found) == 3:
            return found
    raise SystemExit(f"the demo ended with {demo.wait()}")


def _decisions(url: str, key: str) -> bool:
    request = Request(f"{url}/v1/decisions?limit=1", headers={"Authorization": f"Bearer {key}"})
    try:
        with urlopen(request, timeout=5) as answer:
            return bool(json.load(answer)["items"])
    except OSError:
        return False


if __name__ == "__main__":
    main()
