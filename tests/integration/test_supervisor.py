"""The supervisor over stand-in parts: order, restarts, stubborn parts, and what people read."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from ops_core.embedded.parts import Program
from ops_core.embedded.processes import Cancelled, CannotStart
from ops_core.embedded.record import end_leftovers, is_running
from ops_core.embedded.supervisor import Supervisor
from tests.support.waiting import wait_until

#: Writes its name to a file when it is asked to end, and ends.
OBEDIENT = """
import signal, sys, time
def end(*_):
    open(sys.argv[2], "a").write(sys.argv[1] + "\\n"); sys.exit()
signal.signal(signal.SIGTERM, end)
print("up", flush=True)
time.sleep(60)
"""

#: Hears nothing, and has a child that hears nothing.
STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.fork()
print("up", flush=True)
time.sleep(60)
"""


#: A supervisor that is killed while its part, which takes a second to end, runs.
KILLED = """
import os, pathlib, signal, sys
sys.path.insert(0, sys.argv[2])
from tests.integration.test_supervisor import OBEDIENT, Stage
stage = Stage(pathlib.Path(sys.argv[1]))
with stage.supervisor as supervisor:
    supervisor.start(stage.part("Lingering", OBEDIENT.replace("open(", "time.sleep(1); open(")))
    os.kill(os.getpid(), signal.SIGKILL)
"""


class Stage:
    """A supervisor under test, and what it said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        self.supervisor = Supervisor(folder, self.said.append)

    def part(self, name: str, code: str, *, stop_seconds: float = 5.0) -> Program:
        log = self.folder / "logs" / f"{name}.log"
        arguments = ["-c", code, name, str(self.folder / "ended")]
        program = Program(
            name, arguments, log=log, env={}, ready=lambda: "up" in program.said(), stop_seconds=stop_seconds
        )
        return program

    def watch_until(self, done: Callable[[], object]) -> None:
        """Watch as `venue-ops up` does, until `done`; then ask for the end as an operator does."""

        def ask() -> None:
            try:
                wait_until(done, bool, seconds=15)
            finally:
                os.kill(os.getpid(), signal.SIGTERM)

        asker = threading.Thread(target=ask)
        asker.start()
        self.supervisor.watch()
        asker.join()
        assert done()


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_parts_end_in_reverse_order(stage: Stage) -> None:
    with stage.supervisor as supervisor:
        for name in ("first", "second", "third"):
            supervisor.start(stage.part(name, OBEDIENT))
        assert is_running(stage.folder)
        stage.watch_until(lambda: True)
    assert (stage.folder / "ended").read_text().split() == ["third", "second", "first"]
    assert not is_running(stage.folder)


def test_a_part_that_dies_is_started_again_with_a_message(stage: Stage) -> None:
    with stage.supervisor as supervisor:
        part = stage.part("Worker", OBEDIENT)
        supervisor.start(part)
        former = part.pid
        os.kill(former or 0, signal.SIGKILL)
        stage.watch_until(lambda: any("ready again" in line for line in stage.said))
        assert part.pid != former
    assert f"Worker ended (killed by SIGKILL); starting it again in 0.5 s. Log: {part.log}" in stage.said


def test_a_part_that_keeps_dying_is_started_less_and_less_often(stage: Stage) -> None:
    dying = "import sys, time; print('up', flush=True); time.sleep(0.3); sys.exit(3)"
    with stage.supervisor as supervisor:
        supervisor.start(stage.part("Console", dying))
        stage.watch_until(lambda: sum("ended" in line for line in stage.said) >= 3)
    waits = [line.split(" in ")[1].split(" s")[0] for line in stage.said if "(exit code 3)" in line]
    assert waits[:3] == ["0.5", "1", "2"]


def test_a_part_that_hears_nothing_is_killed_with_its_children(stage: Stage) -> None:
    with stage.supervisor as supervisor:
        part = stage.part("Stubborn", STUBBORN, stop_seconds=0.3)
        supervisor.start(part)
        everyone = [psutil.Process(part.pid), *psutil.Process(part.pid).children(recursive=True)]
        assert len(everyone) == 2
    wait_until(
        lambda: [process for process in everyone if process.is_running()], lambda left: not left, seconds=5
    )


def test_children_of_a_part_that_died_do_not_go_on_beside_its_successor(stage: Stage) -> None:
    with stage.supervisor as supervisor:
        part = stage.part("Stubborn", STUBBORN, stop_seconds=0.3)
        supervisor.start(part)
        (orphan,) = psutil.Process(part.pid).children()
        os.kill(part.pid or 0, signal.SIGKILL)
        stage.watch_until(lambda: any("ready again" in line for line in stage.said))
        assert not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE


def test_a_part_that_cannot_start_says_its_last_word_and_all_others_end(stage: Stage) -> None:
    part = stage.part(
        "Console", "import sys; print('so it went', flush=True); sys.exit('The port is taken.')"
    )
    with stage.supervisor as supervisor:
        supervisor.start(stage.part("first", OBEDIENT))
        with pytest.raises(CannotStart, match=r"Console did not start: The port is taken\. \(log: .*\.log\)"):
            supervisor.start(part)
    assert (stage.folder / "ended").read_text().split() == ["first"]


def test_asking_to_stop_ends_the_wait_for_a_slow_part(stage: Stage) -> None:
    slow = stage.part("Slow", "import time; time.sleep(60)")
    asker = threading.Timer(0.3, os.kill, [os.getpid(), signal.SIGINT])
    asker.start()
    with pytest.raises(Cancelled), stage.supervisor as supervisor:
        supervisor.start(slow)
    assert slow.process is None
    asker.join()


def test_leftovers_of_a_killed_supervisor_are_waited_for(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, tmp_path, str(Path(__file__).parents[2])])
    said: list[str] = []
    end_leftovers(tmp_path, said.append)
    assert said == ["Waiting for what an earlier start left: Lingering"]
    assert (tmp_path / "ended").read_text() == "Lingering\n"
    end_leftovers(tmp_path, said.append)
    assert len(said) == 1
