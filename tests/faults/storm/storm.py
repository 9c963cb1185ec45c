"""Bad days by the dozen: `python -m tests.faults.storm.storm --seeds 1000 [--first N] [--only E]`.

Each seed is one program, on the embedded engine (even seeds) or on the emulator (odd ones), that
meets faults of one kind. Prints what became of the values and of what the programs leave behind;
exits with 1 when a value was wrong, a program hung, or something was left.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pymonik.emulator import Emulator
from pymonik.emulator.faults import (
    CutStream,
    Delay,
    DropAfter,
    DropBefore,
    FailUpload,
    KillWorker,
    LoseAgent,
    SilentStream,
    SlowUpload,
)

from .attack import MARK, attack, orphans
from .proxy import Proxy

ROOT = Path(__file__).parents[3]
# A program that takes longer hangs: an undisturbed one takes a few seconds.
LIMIT = 90.0
_GRACE = 20.0
EMBEDDED = ("executors", "executors", "memory", "client")
EMULATED = ("faults", "faults", "proxy", "proxy", "client")
_FAULTS: list[tuple[str, Callable[[], Any]]] = [
    *[("CreateSession", DropBefore), ("CreateResultsMetaData", DropAfter)],
    *[("CreateResults", DropBefore), ("CreateResults", DropAfter)],
    *[("SubmitTasks", DropBefore), ("SubmitTasks", DropAfter), ("SubmitTasks", lambda: Delay(1.0))],
    *[("UploadResultData", FailUpload), ("UploadResultData", lambda: SlowUpload(0.1))],
    *[("DownloadResultData", DropBefore), ("DownloadResultData", lambda: CutStream(1))],
    *[("GetEvents", lambda: CutStream(1)), ("GetEvents", lambda: CutStream(1, "UNAVAILABLE"))],
    *[("GetEvents", lambda: SilentStream(1)), ("ListResults", DropBefore)],
    *[("ListTasks", DropBefore), ("Worker.Process", KillWorker)],
    *[("Worker.Process", lambda: KillWorker(0.2)), ("Worker.Process", lambda: LoseAgent(0.5))],
]


def kind_of(seed: int, chance: random.Random) -> str:
    """Say what the program of a seed meets. chance: what the seed begins."""
    return chance.choice(EMULATED if seed % 2 else EMBEDDED)


@dataclass
class Summary:
    """What became of the programs: values, and what was left behind."""

    seeds: int = 0
    right: int = 0
    clear: int = 0
    wrong: list[str] = field(default_factory=list)
    hung: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)

    @property
    def is_good(self) -> bool:
        """Whether nothing was wrong, hung or left."""
        return not (self.wrong or self.hung or self.orphans or self.files)

    def __str__(self) -> str:
        """Give one line for each figure, and one for each thing that was bad."""
        counts, faults = (
            ", ".join(f"{kind} {count}" for kind, count in sorted(counter.items()))
            for counter in (self.kinds, self.faults)
        )
        lines = [f"{self.seeds} seeds: {counts}", f"of these: {faults}"]
        lines.append(f"right        {self.right:,} values")
        lines.append(f"clear error  {self.clear:,}")
        for name in ("wrong", "hung", "orphans", "files"):
            found = getattr(self, name)
            lines.append(f"{name + ' left' * (name == 'files'):<12} {len(found):,}")
            lines += [f"    {one}" for one in found]
        return "\n".join(lines)


@dataclass
class Day:
    """The program of one seed: where it runs, and what it meets."""

    seed: int
    kind: str
    chance: random.Random
    folder: str
    endpoint: str | None = None

    @property
    def name(self) -> str:
        """What it is called in the summary; it says how to run it again."""
        return f"seed {self.seed} ({'emulator' if self.seed % 2 else 'embedded'}, {self.kind})"

    @property
    def token(self) -> str:
        """What its processes are found by."""
        return f"{os.getpid()}-{self.seed}"

    def start(self) -> subprocess.Popen[str]:
        """Start the program, in folders of its own."""
        for name in ("tmp", "home"):
            os.mkdir(f"{self.folder}/{name}")
        env = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("PYMONIK_", "AK"))},
            MARK: self.token,
            "TMPDIR": f"{self.folder}/tmp",
            "HOME": f"{self.folder}/home",
            "PYTHONPATH": str(ROOT),
            "PYMONIK_RUNS": "off",
            "PYMONIK_PATIENCE": "15",
        }
        if self.kind == "memory":
            env["STORM_MEMORY"] = str(self.chance.choice([700, 1000, 1500]))
        program = str(Path(__file__).with_name("program.py"))
        endpoint = [self.endpoint] if self.endpoint else []
        return subprocess.Popen(
            [sys.executable, program, str(self.seed), *endpoint],
            env=env,
            cwd=f"{self.folder}/home",
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )


class Storm:
    """Runs programs, one after the other, with one emulated cluster for all."""

    def __init__(self) -> None:
        self.summary = Summary()
        self._emulator: Emulator | None = None

    def close(self) -> None:
        """Stop the emulator."""
        if self._emulator is not None:
            self._emulator.stop()

    def run(self, seed: int) -> None:
        """Run the program of one seed and note what became of it."""
        chance = random.Random(seed)
        kind = kind_of(seed, chance)
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="storm-"))
            day = Day(seed, kind, chance, folder)
            self.summary.seeds += 1
            self.summary.kinds[day.name.partition("(")[2].rstrip(")").replace(",", "")] += 1
            if seed % 2:
                self._prepare_cluster(day, stack)
            self._run(day)

    def _prepare_cluster(self, day: Day, stack: ExitStack) -> None:
        if self._emulator is None:
            environment = {"PYTHONPATH": str(ROOT)}
            self._emulator = Emulator(partitions={"pymonik": 2}, environment=environment)
            self._emulator.start()
        day.endpoint = self._emulator.endpoint
        stack.callback(self._emulator.faults.clear)
        if day.kind == "proxy":
            proxy = Proxy(day.endpoint, day.chance)
            stack.callback(proxy.close)
            self.summary.faults.update(trouble for _, trouble in proxy.troubles)
            day.endpoint = proxy.endpoint
        elif day.kind == "faults":
            for _ in range(day.chance.randint(1, 3)):
                method, action = day.chance.choice(_FAULTS)
                self._emulator.faults.add(method, action(), at=day.chance.randint(1, 2))
                self.summary.faults[f"{method} {type(action()).__name__}"] += 1

    def _run(self, day: Day) -> None:
        program = day.start()
        done = threading.Event()
        attacker = None
        if day.kind == "executors":
            args = (day.token, program.pid, day.chance, done, self.summary.faults)
            attacker = threading.Thread(target=attack, args=args)
            attacker.start()
        elif day.kind == "client":
            seconds = day.chance.uniform(0.3, 2.0)
            threading.Timer(seconds, program.send_signal, [signal.SIGKILL]).start()
        try:
            out, err = program.communicate(timeout=LIMIT)
            self._judge(day, program.returncode, out, err)
        except subprocess.TimeoutExpired:
            self.summary.hung.append(f"{day.name}\n{_stacks(program)}")
        finally:
            program.kill()
            program.communicate()
            done.set()
            if attacker is not None:
                attacker.join()
            self._note_left(day)

    def _note_left(self, day: Day) -> None:
        left = orphans(day.token, _GRACE)
        if left:
            self.summary.orphans.append(f"{day.name}: {len(left)} processes")
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        files = [str(p.relative_to(day.folder)) for p in Path(day.folder).rglob("*") if p.is_file()]
        if files:
            self.summary.files.append(f"{day.name}: {', '.join(files[:3])}")

    def _judge(self, day: Day, code: int, out: str, err: str) -> None:
        summary = self.summary
        last = out.splitlines()[-1:] or [""]
        if code == 0 and last[0].startswith("{"):
            told = json.loads(last[0])
            summary.right += told["right"]
            summary.clear += told["clear"]
            summary.wrong += [f"{day.name}: {one}" for one in told["wrong"]]
        elif code == -signal.SIGKILL and day.kind == "client":
            summary.faults["clients killed"] += 1
        else:
            # The program reports its errors itself, unless there is no memory left for that.
            final = (err.strip().splitlines() or ["no message"])[-1]
            if final.startswith("MemoryError") and day.kind == "memory":
                summary.clear += 1
            else:
                summary.wrong.append(f"{day.name}: ended with {code}: {final[:300]}")


def _stacks(program: subprocess.Popen[str]) -> str:
    """Return the stacks of all threads of a program that hangs, and of the emulator's in here."""
    program.send_signal(signal.SIGUSR1)
    time.sleep(1.0)  # for the program to write them
    program.kill()
    with tempfile.TemporaryFile("w+") as file:
        faulthandler.dump_traceback(file, all_threads=True)
        file.seek(0)
        return f"{program.communicate()[1]}\nthe emulator:\n{file.read()}"


def main() -> int:
    """Run the seeds that the command line names."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--only", choices=["embedded", "emulator"])
    given = parser.parse_args()
    storm = Storm()
    step = {"embedded": (0, 2), "emulator": (1, 2)}.get(given.only, (0, 1))
    try:
        for seed in range(given.first + step[0], given.first + given.seeds, step[1]):
            storm.run(seed)
            if sys.stderr.isatty():
                print(f"\r{storm.summary.seeds} seeds", end="", file=sys.stderr)
    except KeyboardInterrupt:
        pass
    finally:
        storm.close()
    print(storm.summary)
    return 0 if storm.summary.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
