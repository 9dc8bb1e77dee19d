#!/usr/bin/env python3
"""Deploys the whole system into an emulated AWS on this machine, and tries it there.

    python3 tests/deploy/run.py            builds quickly, without optimisation
    python3 tests/deploy/run.py --release  builds what is deployed to AWS
    python3 tests/deploy/run.py watch      no deployment: the functions run apart, under `cargo lambda watch`

Needs Rust and Python 3.10 or newer. All else goes into a virtual environment under ~/.cache. Nothing listens beyond
127.0.0.1, and nothing is left running, however it ends.
"""
from __future__ import annotations

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
REQUIREMENTS = HERE / "requirements.txt"


def environment() -> pathlib.Path:
    """The virtual environment of exactly these requirements, made when it is missing."""
    digest = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    path = cache / "whatsapp-messages" / "deploy-tools"
    installed = path / "installed"
    if not installed.exists() or installed.read_text() != digest:
        print(f"Installing the tools into {path} …", flush=True)
        shutil.rmtree(path, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", path], check=True, timeout=300)
        pip = [path / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "--requirement", REQUIREMENTS], check=True, timeout=1800)
        installed.write_text(digest)
    return path


def main() -> int:
    tools = environment()
    inside = tools / "bin" / "python"
    if pathlib.Path(sys.prefix).resolve() != tools.resolve():
        sys.stdout.flush()
        os.execv(inside, [str(inside), str(HERE / "run.py"), *sys.argv[1:]])
    import rehearsal
    import watch

    if sys.argv[1:2] == ["watch"]:
        return watch.main(tools / "bin", sys.argv[2:])
    return rehearsal.main(tools / "bin", sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
