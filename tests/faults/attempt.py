"""One attempt: a study is started, struck at a moment drawn from a seed, resumed, and checked."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.faults import processes, verify
from tests.faults.kinds import KINDS, Kind
from tests.faults.moments import Course, Moment, draw
from tests.faults.scene import STUDIES, Ended, Engine, Running, Scene
from tests.faults.servers import MlflowServer, Postgres, Server

__all__ = ["Attempt", "Known", "attempt", "plan"]

GRACE = 20.0  # seconds in which what a killed driver leaves behind must end by itself
_SHOWN = 5  # problems of a class
MOST = 4  # commands until the study must be finished
AWAY = (0.5, 6.0)  # seconds that a killed server stays away: from, to


@dataclass(frozen=True, slots=True)
class Known:
    """What an undisturbed run of a study takes and comes to."""

    course: Course
    outcome: verify.Outcome
    database: Path
    """Of MLflow, at its end."""


@dataclass(slots=True)
class Attempt:
    """What became of one attempt, as it is written to the results."""

    kind: str
    seed: int
    study: str
    engine: Engine
    moments: list[str] = field(default_factory=list)
    """When it was struck; empty where the study was over before."""
    codes: list[int] = field(default_factory=list)
    """Exit codes of its commands as a shell reports them."""
    seconds: float = 0.0
    problems: dict[str, list[str]] = field(default_factory=dict)
    """By class: lost, doubled, hung, uncaught, left_over, exit_code, untracked, changed, unsaid,
    log_lines."""

    def add(self, kind: str, found: list[str]) -> None:
        if found:
            more = [f"and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
            self.problems.setdefault(kind, []).extend(found[:_SHOWN] + more)


def plan(kind: str, seed: int) -> tuple[Random, str, Engine]:
    """The draws of a seed, its study and its engine: the same wherever it is run."""
    random = Random(f"{kind}/{seed}")
    engine = random.choice(list(KINDS[kind].engines))
    # A training takes longer to start: most strikes are on the function.
    study = random.choices(sorted(STUDIES), [2, 1])[0]
    return random, study, engine


def attempt(kind: str, seed: int, folder: Path, known: Callable[[str, Engine], Known]) -> Attempt:
    """`known` answers for a study and an engine. `folder` stays if there is a problem."""
    random, study, engine = plan(kind, seed)
    done, began = Attempt(kind, seed, study, engine), time.monotonic()
    undisturbed = known(study, engine)
    make, server = KINDS[kind].server, None
    try:
        if make:
            server = make(folder.with_name(f"{folder.name}-server"))
            server.start()
        scene = Scene(folder, study, engine, server.settings if server else [])
        _carry_out(scene, done, random, undisturbed, server)
    finally:
        processes.end_all(folder)
        if server:
            server.kill()
    done.codes = [_code(ended) for ended in scene.ended]
    done.seconds = round(time.monotonic() - began, 1)
    if not done.problems:
        shutil.rmtree(folder, ignore_errors=True)
        if server:
            shutil.rmtree(server.folder, ignore_errors=True)
    return done


def _carry_out(
    scene: Scene, done: Attempt, random: Random, known: Known, server: Server | None
) -> None:
    kind, before = KINDS[done.kind], list[bytes]()
    while len(scene.ended) < MOST:
        strikes = not done.moments or (len(done.moments) == 1 and random.random() < kind.again)
        moment = _moment(random, known.course, before, kind)
        if not before and moment.sign in ("record", "end") and not isinstance(server, MlflowServer):
            scene.copy_store(known.database)
        running = scene.start()
        if strikes:
            if moment.come(scene, running) and _strike(scene, running, random, kind, server):
                done.moments.append(str(moment))
        ended = running.end()
        before.append(verify.whole_lines(scene.journal))
        _judge(scene, done, ended, kind)
        if not strikes and _code(ended) == 0:
            break
        if not done.moments:
            return  # over before it was struck: nothing was tried
    if scene.begun and "autotune sync" in scene.ended[-1].text:
        _judge(scene, done, scene.sync().end(), kind)
    _check(scene, done, before, known, server)


def _moment(random: Random, course: Course, before: list[bytes], kind: Kind) -> Moment:
    begun = before[-1].count(b"\n") if before else 0
    if kind.server is Postgres:  # there is no file whose lines could be counted
        return Moment("start", 0, random.random() * course.whole)
    while True:
        moment = draw(random, course, begun)
        if not (kind.server and moment.sign == "store"):
            return moment


def _strike(
    scene: Scene, running: Running, random: Random, kind: Kind, server: Server | None
) -> bool:
    if kind.strike:
        return kind.strike(scene, running, random)
    assert server is not None, "a kind strikes a process or has a server"
    away = random.uniform(*AWAY)
    server.kill()
    time.sleep(away)
    server.start()
    return True


def _judge(scene: Scene, done: Attempt, ended: Ended, kind: Kind) -> None:
    """What can be said of one command."""
    number, code = len(scene.ended), _code(ended)
    done.add("hung", [f"command {number}"] if ended.hung else [])
    done.add("uncaught", ended.uncaught)
    done.add("log_lines", ended.log_lines)
    left = processes.wait_until_gone(scene.folder, GRACE)
    done.add("left_over", [str(process) for process in left])
    processes.end_all(scene.folder)
    struck = len(done.moments) == number
    if code not in (kind.codes if struck else [0]):
        said = " ".join(ended.text.split()[-30:])
        done.add("exit_code", [f"command {number} ended with {code}: {said}"])
    if struck and kind.says_how and code != 0 and scene.begun:
        how = (f"autotune resume {scene.name}", f"autotune ui {scene.name}")  # the latter: all done
        done.add("unsaid", [] if any(s in ended.text for s in how) else [ended.text[-200:]])


def _check(
    scene: Scene, done: Attempt, before: list[bytes], known: Known, server: Server | None
) -> None:
    """What can be said of the study at its end."""
    if not scene.begun:
        done.add("lost", ["the study was never begun"])
        return
    database = server.database if isinstance(server, MlflowServer) else scene.store
    done.add("lost", verify.lost(scene, before if scene.journal.exists() else [], known.outcome))
    done.add("doubled", verify.doubled(scene))
    done.add("untracked", verify.untracked(scene, database))
    left = [path.name for path in scene.temporary.iterdir() if path.name.startswith("autotune")]
    done.add("left_over", left)
    if scene.engine == "inline":
        now = verify.outcome(scene)
        differ = [
            label for label in now | known.outcome if now.get(label) != known.outcome.get(label)
        ]
        done.add("changed", differ)


def _code(ended: Ended) -> int:
    return ended.code if ended.code >= 0 else 128 - ended.code
