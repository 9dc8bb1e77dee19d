"""Acts: functions whose names say what they show, played one after the other."""
from __future__ import annotations

import pathlib
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from typing import Protocol, TypeVar

from processes import Processes


class Stage(Protocol):
    """What all acts share."""

    processes: Processes


S = TypeVar("S", bound=Stage)


def perform(
    set_up: Callable[[pathlib.Path], S], preparation: list[Callable[[S], None]], trials: list[Callable[[S], None]]
) -> int:
    """Plays all acts in a folder of their own and cleans up. Without its preparation no trial is played. The result is
    the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # Resolved, because /proc knows real paths only.
    folder = pathlib.Path(tempfile.mkdtemp(prefix="whatsapp-deploy-")).resolve()
    the = set_up(folder)
    results: list[bool] = []
    try:
        for act in preparation:
            results.append(play(act, the))
            if not results[-1]:
                break
        else:
            results += [play(act, the) for act in trials]
        results.append(play(nothing_is_left_running, the))
    finally:
        the.processes.stop()
        shutil.rmtree(folder, ignore_errors=True)
    failed = results.count(False)
    print(f"{len(results) - failed} passed, {failed} failed")
    return 1 if failed else 0


def play(act: Callable[[S], None], the: S) -> bool:
    """Plays one act; whether it went well."""
    name = act.__name__.replace("_", " ")
    if sys.stdout.isatty():
        print(f"  …                {name}", end="\r", flush=True)
    began = time.monotonic()
    try:
        act(the)
    except Exception:
        print(f"  FAILED {time.monotonic() - began:6.1f} s  {name}\n", flush=True)
        traceback.print_exc(file=sys.stdout)
        print(f"\n{the.processes.tail()}\n", flush=True)
        return False
    print(f"  ok     {time.monotonic() - began:6.1f} s  {name}", flush=True)
    return True


def nothing_is_left_running(the: Stage) -> None:
    the.processes.stop()
    the.processes.have_ended()
