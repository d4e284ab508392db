"""Kill runs at random instants, resume them, and compare what they end with to runs that were never killed, to the bit.

Every method trains a tiny model on the toy world's exact rewards and is evaluated, through the command line. The process gets
SIGKILL from outside: a third of the kills at a moment drawn over the whole run, the others inside a stage drawn from all, so that
the short ones (a checkpoint's writing takes milliseconds) have their share. A run is killed a few times, then let finish.
Sweeps are killed at moments drawn over the whole of them.

Compared are the adapter, every tensor and number of the last checkpoint (critic, optimizer, schedule, rule), metrics.jsonl but
for its timings, samples.jsonl, the standardisation constants, and the evaluation's rows.

    python benchmarks/crash.py --kills 200 --markdown docs/results/crash.md
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: a forked process must not inherit threads

import argparse
import json
import mmap
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial, wraps
from pathlib import Path
from typing import Any

import yaml

import lenity.evaluation.score
import lenity.methods.building
import lenity.methods.context_training
import lenity.toy.demo
import lenity.training.loop
from lenity.console.progress import track
from lenity.methods import METHODS
from lenity.methods.context_training import _Training
from lenity.runs.checkpoint import Checkpoint
from lenity.runs.folder import RunFolder
from lenity.toy.examples import pairs
from lenity.toy.prompts import ToyPrompts
from lenity.training.stages import Stages

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import tiny

OBJECTIVES = ("helpful", "harmless")
STAGES: dict[str, tuple[Any, str]] = {
    "calibration": (lenity.training.loop, "constants_of"),
    "generation": (Stages, "generate"),
    "scoring": (Stages, "score"),
    "advantages": (Stages, "compute_advantages"),
    "update": (Stages, "update"),
    "metrics": (RunFolder, "append"),
    "checkpoint": (Checkpoint, "save"),
    "adapter and card": (Stages, "finish"),
    "stage of fine-tuning": (_Training, "stage"),
    "building": (lenity.methods.building, "built"),
    "evaluation": (lenity.evaluation.score, "_evaluate"),
}
REST, SWEEP = "loading and the rest", "sweep"
NAMES = (REST, *STAGES)
TIMINGS = {"seconds", "tokens_per_second", "rule_seconds"}
MOST = 4  # kills of one run


class Board:
    """What a child is doing, in memory shared with its parent: the stage now, and how often each was entered."""

    def __init__(self) -> None:
        self._cells = memoryview(mmap.mmap(-1, 8 * (1 + len(NAMES)))).cast("q")

    def clear(self) -> None:
        """Before a child starts."""
        for i in range(len(self._cells)):
            self._cells[i] = 0

    @property
    def now(self) -> str:
        """The innermost stage."""
        return NAMES[self._cells[0]]

    def entered(self, stage: str) -> int:
        """How often."""
        return self._cells[1 + NAMES.index(stage)]

    def watch(self, durations: dict[str, list[float]] | None = None) -> None:
        """Have the stages of this process write to the board, and their durations to ``durations``."""
        for name, (owner, attribute) in STAGES.items():
            setattr(owner, attribute, self._watched(name, getattr(owner, attribute), durations))

    def _watched(self, name: str, function: Callable[..., Any], durations: dict[str, list[float]] | None) -> Any:
        @wraps(function)
        def stage(*arguments: Any, **options: Any) -> Any:
            before, start = self._cells[0], time.perf_counter()
            self._cells[0] = NAMES.index(name)
            self._cells[1 + NAMES.index(name)] += 1
            try:
                return function(*arguments, **options)
            finally:
                self._cells[0] = before
                if durations is not None:
                    durations.setdefault(name, []).append(time.perf_counter() - start)

        return stage


@dataclass
class Straight:
    """A run that was never killed: its folder, how long it took and each of its stages, and how often they came."""

    folder: Path
    seconds: float
    durations: Mapping[str, float]
    counts: Mapping[str, int]


@dataclass
class Tally:
    """What the campaign saw."""

    kills: Counter[tuple[str, str]] = field(default_factory=Counter)
    runs: Counter[str] = field(default_factory=Counter)
    identical: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)

    def of_stage(self, stage: str) -> int:
        """Kills."""
        return sum(count for (_, found), count in self.kills.items() if found == stage)

    def of_method(self, method: str) -> int:
        """Kills."""
        return sum(count for (found, _), count in self.kills.items() if found == method)

    def ended(self, method: str, differences: list[str]) -> None:
        """A run was let finish."""
        self.runs[method] += 1
        self.identical[method] += not differences
        self.differences += [f"{method}: {difference}" for difference in differences]


def settings(model: Path, method: Mapping[str, Any], weights: Mapping[str, float] | None = None) -> dict[str, Any]:
    """A run of four iterations, with a checkpoint after every second one."""
    return {
        "output": "run",
        "iterations": 4,
        "policy": {"model": str(model), "dtype": "float32", "lora": {"r": 4, "alpha": 8, "dropout": 0.05}},
        "prompts": {"type": "toy", "split": "train", "count": 40},
        "held_out_prompts": {"type": "toy", "split": "test", "count": 24},
        "weights": dict(weights or dict.fromkeys(OBJECTIVES, 0.5)),
        "rewards": {name: {"type": "toy", "preference": name} for name in OBJECTIVES},
        "method": dict(method),
        "critic": {"hidden_size": 8},
        "rollout": {"batch_size": 16, "max_new_tokens": 8},
        "ppo": {"epochs": 2, "mini_batch_size": 4, "accumulation": 2},
        "optimizer": {"learning_rate": 5e-3, "warmup_steps": 2},
        "standardisation": {"prompts": 64},
        "evaluation": {"limit": 24},
        "checkpoint": {"every": 2},
        "logging": {"progress": False},
    }


def methods(folder: Path, model: Path, board: Board) -> dict[str, dict[str, Any]]:
    """Every registered method with what it needs: examples for Rewards-in-Context, two SOLO runs for soups."""
    found = {name: settings(model, {"name": name}) for name in METHODS if name not in {"torchjd", "soups", "ric"}}
    found["gdpo"]["method"]["responses"] = 4
    corners = {name: {other: float(other == name) for other in OBJECTIVES} for name in OBJECTIVES}
    found["solo"]["weights"] = corners["helpful"]
    for aggregator in ("UPGrad", "NashMTL", "GradVac", "PCGrad"):
        found[f"torchjd:{aggregator}"] = settings(model, {"type": "torchjd", "aggregator": aggregator})
    solos = {}
    for name, corner in corners.items():
        solos[name] = str(folder / f"solo_{name}" / "run")
        finish(board, folder / f"solo_{name}", settings(model, {"type": "solo"}, corner))
    found["soups"] = settings(model, {"type": "soups", "solo": solos})
    rows = pairs(ToyPrompts(count=40).read()[0], "helpful", 100, seed=0)
    (folder / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    offline = {"pairs": {"dataset": str(folder / "pairs.jsonl")}, "steps": 12, "learning_rate": 4e-3}
    online = {"rounds": 2, "samples": 40, "steps": 6}
    found["ric"] = settings(model, {"type": "ric", "offline": offline, "online": online, "batch_size": 8})
    return found


def spawn(board: Board, folder: Path, work: Callable[[], None]) -> int:
    """A forked process that does ``work`` in ``folder``; its number."""
    board.clear()
    if child := os.fork():
        return child
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.chdir(folder)
        log = os.open("log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        work()
    except SystemExit as end:
        os._exit(int(end.code or 0))
    except BaseException:
        import traceback

        traceback.print_exc()
        os._exit(70)
    os._exit(0)


def train_and_evaluate() -> None:
    """The two commands, as a user resumes them."""
    from lenity.cli.main import main

    for arguments in (["train", "run.yaml", "--resume"], ["evaluate", "run"]):
        sys.argv = ["lenity", *arguments, "--debug"]
        try:
            main()
        except SystemExit as end:
            if end.code:
                raise


def finish(board: Board, folder: Path, config: Mapping[str, Any]) -> Straight:
    """A run that nobody kills."""
    folder.mkdir(parents=True)
    (folder / "run.yaml").write_text(yaml.safe_dump(dict(config)))

    def work() -> None:
        durations: dict[str, list[float]] = {}
        board.watch(durations)
        train_and_evaluate()
        means = {name: statistics.mean(found) for name, found in durations.items()}
        Path("durations.json").write_text(json.dumps(means))

    start = time.perf_counter()
    code = os.waitstatus_to_exitcode(os.waitpid(spawn(board, folder, work), 0)[1])
    if code:
        raise SystemExit(f"a run that was not killed failed:\n{(folder / 'log.txt').read_text()[-2000:]}")
    durations = json.loads((folder / "durations.json").read_text())
    return Straight(folder, time.perf_counter() - start, durations, {name: board.entered(name) for name in durations})


def killed(board: Board, folder: Path, straight: Straight, draw: random.Random) -> str | None:
    """Go on with the run in ``folder`` and kill it; the stage it was in, None where it ended first."""

    def work() -> None:
        board.watch()
        train_and_evaluate()

    stage = draw.choice(sorted(straight.durations)) if draw.random() < 2 / 3 else None
    times = draw.randint(1, straight.counts[stage]) if stage else 0
    delay = draw.uniform(0, straight.durations[stage] if stage else straight.seconds)
    child = spawn(board, folder, work)
    start = None if stage else time.perf_counter()
    while True:
        if start is None and stage and board.entered(stage) >= times:
            start = time.perf_counter()
        if start is not None and time.perf_counter() - start >= delay:
            where = board.now
            os.kill(child, signal.SIGKILL)
        ended, status = os.waitpid(
            child, 0 if start is not None and time.perf_counter() - start >= delay else os.WNOHANG
        )
        if ended:
            code = os.waitstatus_to_exitcode(status)
            if code not in {0, -signal.SIGKILL}:
                raise SystemExit(f"a resumed run failed:\n{(folder / 'log.txt').read_text()[-2000:]}")
            return where if code else None
        time.sleep(0.0002)


def differences(first: Path, second: Path) -> list[str]:
    """What of two finished runs is not the same to the bit; run in a process of its own, as it uses threads."""
    found = []
    names = sorted(
        {path.relative_to(root).as_posix() for root in (first, second) for path in root.rglob("*") if compared(path)}
    )
    for name in names:
        a, b = first / name, second / name
        if not (a.is_file() and b.is_file()):
            found.append(f"{name} is missing in one of them")
        elif contents(a) != contents(b):
            found.append(f"{name} differs")
    return found


def compared(path: Path) -> bool:
    """Files that say how a run ended; a lock, and what holds times or the manifest of other files, says nothing."""
    hidden = path.name.startswith(".") and not path.name.endswith(".partial")
    return (
        path.is_file()
        and not hidden
        and path.name not in {"notes.log", "evaluation.json", "report.json"}
        and "trainer" not in path.parts
    )


def contents(file: Path) -> Any:
    """What is compared of a file."""
    if file.suffix == ".parquet":
        import pandas as pd

        return pd.read_parquet(file).to_json(double_precision=15)
    if file.name == "metrics.jsonl":
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        return [{key: value for key, value in row.items() if key not in TIMINGS} for row in rows]
    if file.name == "sweep.json":
        return [{**entry, "seconds": 0} for entry in json.loads(file.read_text())]
    return file.read_bytes()


def apart(work: Callable[[], Any]) -> Any:
    """What ``work`` gives, computed in a forked process."""
    read, write = os.pipe()
    if child := os.fork():
        os.close(write)
        with os.fdopen(read) as pipe:
            text = pipe.read()
        os.waitpid(child, 0)
        return json.loads(text)
    with os.fdopen(write, "w") as pipe:
        json.dump(work(), pipe)
    os._exit(0)


def campaign(folder: Path, kills: int, sweeps: int, seed: int, only: list[str]) -> Tally:
    """``kills`` of single runs, method after method, and ``sweeps`` of sweeps; ``only`` these methods, where any are named."""
    board, draw, tally = Board(), random.Random(seed), Tally()
    model = Path(apart(lambda: str(tiny.save_model(folder / "model"))))
    configs = {name: config for name, config in methods(folder, model, board).items() if not only or name in only}
    with track("running without kills", len(configs), unit="runs") as advance:
        straight = {}
        for name, config in configs.items():
            straight[name] = finish(board, folder / "straight" / name.replace(":", "_"), config)
            advance()
    with track("killing", kills + sweeps, unit="kills") as advance:
        for number, name in enumerate(round_robin(list(configs))):
            left = kills - sum(tally.kills.values())
            if left <= 0:
                break
            victim = folder / f"victim_{number}"
            victim.mkdir()
            shutil.copy(straight[name].folder / "run.yaml", victim)
            for _ in range(min(MOST, left)):
                stage = killed(board, victim, straight[name], draw)
                if stage is None:
                    break
                tally.kills[name, stage] += 1
                advance()
            let_finish(board, victim)
            tally.ended(name, apart(partial(differences, straight[name].folder / "run", victim / "run")))
            shutil.rmtree(victim)
        kill_sweeps(folder, model, sweeps, draw, tally=tally, advance=advance)
    return tally


def round_robin(names: list[str]) -> Iterator[str]:
    """The names, again and again."""
    while True:
        yield from names


def let_finish(board: Board, folder: Path) -> None:
    """Go on with a run to its end."""
    code = os.waitstatus_to_exitcode(os.waitpid(spawn(board, folder, train_and_evaluate), 0)[1])
    if code:
        raise SystemExit(f"a resumed run failed:\n{(folder / 'log.txt').read_text()[-2000:]}")


def kill_sweeps(
    folder: Path, model: Path, kills: int, draw: random.Random, *, tally: Tally, advance: Callable[..., None]
) -> None:
    """A sweep of two methods that share a SOLO run and soups made from others; its process is killed, its workers end with it."""
    if not kills:
        return

    def start(place: Path) -> subprocess.Popen[bytes]:
        place.mkdir(exist_ok=True)
        (place / "base.yaml").write_text(yaml.safe_dump(settings(model, {"type": "plc"})))
        command = [
            sys.executable,
            "-m",
            "lenity",
            "sweep",
            "base.yaml",
            "--methods",
            "plc,soups",
            "--points",
            "corners,centre",
            "--output",
            "sweep",
        ]
        with (place / "log.txt").open("ab") as log:
            return subprocess.Popen(command, cwd=place, stdout=log, stderr=log)

    begun = time.perf_counter()
    if start(folder / "sweep").wait():
        raise SystemExit((folder / "sweep" / "log.txt").read_text()[-2000:])
    seconds, victim = time.perf_counter() - begun, 0
    while kills:
        place = folder / f"sweep_{victim}"
        for _ in range(min(MOST, kills)):
            process = start(place)
            try:
                process.wait(draw.uniform(0, seconds))
                break
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                tally.kills[SWEEP, SWEEP] += 1
                kills -= 1
                advance()
                time.sleep(0.5)  # its workers see that it is gone, and the lock with them
        if start(place).wait():
            raise SystemExit((place / "log.txt").read_text()[-2000:])
        tally.ended(SWEEP, apart(partial(differences, folder / "sweep" / "sweep", place / "sweep")))
        shutil.rmtree(place)
        victim += 1


def markdown(tally: Tally, seconds: float) -> str:
    """Kills by stage, and by method how many of the resumed runs are the same to the bit."""
    every = sum(tally.kills.values())
    same = sum(tally.identical.values())
    lines = [
        f"{every} kills, {sum(tally.runs.values())} runs, {same} of them ended to the bit as one that was never killed; {seconds / 60:.0f} minutes.",
        "",
        "| killed in | kills |",
        "| --- | ---: |",
        *(f"| {stage} | {tally.of_stage(stage)} |" for stage in (*NAMES, SWEEP)),
        "",
        "| method | kills | runs | identical |",
        "| --- | ---: | ---: | ---: |",
        *(
            f"| {name} | {tally.of_method(name)} | {tally.runs[name]} | {tally.identical[name]} |"
            for name in tally.runs
        ),
        *([""] if tally.differences else []),
        *(f"- {difference}" for difference in tally.differences),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the campaign; the exit code is 1 where a run differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="of single runs")
    parser.add_argument("--sweeps", type=int, default=0, help="kills of sweeps, which take ten times as long")
    parser.add_argument("--seed", type=int, default=0, help="of when to kill")
    parser.add_argument("--methods", default="", help="separated by commas; default: all")
    parser.add_argument("--markdown", type=Path, default=None, help="also write the tables to this file")
    options = parser.parse_args()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="lenity-crash-") as folder:
        tally = campaign(
            Path(folder),
            options.kills,
            options.sweeps,
            options.seed,
            options.methods.split(",") if options.methods else [],
        )
    text = markdown(tally, time.perf_counter() - start)
    sys.stdout.write(text)
    if options.markdown:
        head = f"# Runs killed at random instants and resumed\n\n`python benchmarks/crash.py --kills {options.kills} --sweeps {options.sweeps}`: "
        options.markdown.write_text(head + text, encoding="utf-8")
    sys.exit(bool(tally.differences))


if __name__ == "__main__":
    main()
