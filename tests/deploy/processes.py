"""The programs that the rehearsal starts, and their end."""
from __future__ import annotations

import os
import pathlib
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")

# Until a program has ended by itself after it was asked to.
FAREWELL_SECONDS = 10


class Processes:
    """Programs that end with this one. Each leads a process group, so that its children end too."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, name: str, command: list[str | pathlib.Path], env: dict[str, str]) -> None:
        """Starts a program whose output goes into `<name>.log`."""
        with open(self.folder / f"{name}.log", "wb") as log:
            program = subprocess.Popen(
                command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self.running.append(program)

    def tail(self, lines: int = 15) -> str:
        """The last lines of every log."""
        tails = []
        for log in sorted(self.folder.glob("*.log")):
            last = log.read_text(errors="replace").splitlines()[-lines:]
            tails.append("\n".join([f"--- {log.name}", *last]))
        return "\n".join(tails)

    def stop(self) -> None:
        """Ends all of them."""
        for sign in (signal.SIGTERM, signal.SIGKILL):
            for program in self.running:
                try:
                    os.killpg(program.pid, sign)
                except ProcessLookupError:
                    pass
            for program in self.running:
                try:
                    program.wait(FAREWELL_SECONDS)
                except subprocess.TimeoutExpired:
                    pass


def free_port() -> int:
    """A port of the loopback interface that nobody uses at the moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


def eventually(what: str, look: Callable[[], T | None], seconds: float) -> T:
    """Looks until there is something to see."""
    end = time.monotonic() + seconds
    while True:
        seen = look()
        if seen is not None and seen is not False:
            return seen
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds:g} s")
        time.sleep(0.05)


def run_from(folder: pathlib.Path) -> Iterator[int]:
    """The processes whose program lies in `folder`, or lay there until it was removed."""
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            program = os.readlink(entry / "exe")
        except OSError:
            continue
        if program.startswith(f"{folder}{os.sep}"):
            yield int(entry.name)


def variable(process: int, name: str) -> str | None:
    """An environment variable of a process, as it was started with."""
    try:
        environ = pathlib.Path(f"/proc/{process}/environ").read_bytes().decode(errors="replace")
    except OSError:
        return None
    values = (entry.split("=", 1)[1] for entry in environ.split("\0") if entry.startswith(f"{name}="))
    return next(values, None)
