"""The programs that the acts start, and their end."""
from __future__ import annotations

import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or REPOSITORY / "target").resolve()

# From nothing, on a slow and busy machine.
BUILD_SECONDS = 2400

# Until a program has ended by itself after it was asked to.
FAREWELL_SECONDS = 10


class Processes:
    """Programs that end with this one. Each leads a process group, so that its children end too; `folder` is theirs, and
    `tools` is the first place where they look for other programs."""

    def __init__(self, tools: pathlib.Path, folder: pathlib.Path) -> None:
        self.tools = tools
        self.folder = folder
        self.running: list[subprocess.Popen[bytes]] = []

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of a program: nothing of the caller's AWS."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAM_"))}
        return kept | {
            "PATH": f"{self.tools}{os.pathsep}{os.environ['PATH']}",
            "NO_PROXY": "127.0.0.1,localhost",
            "SAM_CLI_TELEMETRY": "0",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            **more,
        }

    def run(self, seconds: float, *command: str | pathlib.Path, **environment: str) -> str:
        """Runs a program to its good end; answers what it wrote to its standard output."""
        done = subprocess.run(
            command,
            cwd=REPOSITORY,
            env=self.environment(**environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=seconds,
            text=True,
        )
        output = f"{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
        assert done.returncode == 0, f"{command[0]} ended with {done.returncode}:\n{output}"
        return done.stdout

    def start(self, name: str, command: list[str | pathlib.Path], **environment: str) -> None:
        """Starts a program whose output goes into `<name>.log`."""
        with open(self.folder / f"{name}.log", "wb") as log:
            program = subprocess.Popen(
                command,
                cwd=REPOSITORY,
                env=self.environment(**environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.running.append(program)

    def start_backends(self, simulator_port: int, database_port: int, *options: str) -> None:
        """Builds and starts the simulator and the database, as `cargo run -- --backends-only` does."""
        self.run(BUILD_SECONDS, "cargo", "build", "--quiet", "--locked", "--bin", "local")
        ports = ["--sim-port", str(simulator_port), "--db-port", str(database_port)]
        program = TARGET / "debug" / "local"
        self.start("backends", [program, "--backends-only", "--memory", *ports, *options])
        answers(f"http://127.0.0.1:{simulator_port}/sim/state")

    def have_ended(self) -> None:
        """Waits for the end of all of them, and of what lies in the folder."""
        eventually("the end of all processes", lambda: not list(run_from(self.folder)), 30)
        assert all(program.poll() is not None for program in self.running)

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


def answers(url: str) -> None:
    """Waits until there is somebody at `url`."""

    def look() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=2) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    eventually(url, look, 180)


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
