"""Runs a study with Ray Tune over CPUs, GPUs, fractions of them, and clusters.

The study decides; Ray places and runs. To Tune the study is a Searcher and a TrialScheduler, and an
assignment is one Tune trial, carried out by a warm actor. Nothing of Ray's own is kept: no logger,
no checkpoint, no restore, no output.

What Ray would do otherwise, and is avoided here:
- A result with `done: True` never reaches the scheduler, so the worker never sends one.
- It never asks again after FINISHED, so `suggest` answers None until the study is Done.
- It keeps only one idle actor and lets the others die (3 s each to start again): see `_keep_warm`.
- It starts new processes for its actors beside those that stand ready: see cluster.py, where all
  is that has to do with beginning, joining, watching and ending Ray.
- An exception in a worker costs its process and hides the reason: failures come as results.
- An exception in the scheduler comes back as text in a TuneError: ours wait in `_Link.error`.
"""

import json
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import ray
from ray import tune
from ray.tune import PlacementGroupFactory
from ray.tune.experiment import Trial
from ray.tune.progress_reporter import ProgressReporter
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher
from ray.tune.stopper import Stopper

from autotune.engine.environment import environment
from autotune.engine.interrupt import Interrupts
from autotune.engine.ranks.group import lead
from autotune.engine.ray.cluster import Cluster, connection
from autotune.engine.ray.ranks import RayRanks, bundles
from autotune.engine.ray.sent_functions import receive, send
from autotune.engine.worker.children import hide_sockets
from autotune.engine.worker.output import own_process
from autotune.engine.worker.time_limits import Watch
from autotune.engine.worker.work import warm_up, work
from autotune.errors import Hanging, InvalidInput, Problem
from autotune.trial import Assignment, Decision, Failure, Fault, Purpose, Reason, Report, Share

if TYPE_CHECKING:
    from autotune.study.state_machine import Study

__all__ = ["run"]

_T = TypeVar("_T")
_U = TypeVar("_U")

_POLL = 0.05
"""Seconds between two questions while nothing runs and the study has nothing to hand out."""
_RESET = 120.0
"""Seconds before a worker that cannot end its work is ended."""
_GRACE = 1.0
"""Seconds in which Ray's death may follow the errors that it causes."""


def run(study: "Study", address: str | None = None) -> None:
    """Run `study` to its end on this machine's cores, or on the running cluster at `address`.

    A Ray that the caller has initialised is used and left running. Raises KeyboardInterrupt after
    Ctrl-C and other signals to stop, with all written and Ray shut down, and RayLost where Ray has
    died (MachineFault where it was not ours); what was running is left as it is for a resume.
    """
    with Interrupts() as interrupts, connection(address, _last_words(study)) as cluster:
        try:
            with interrupts.deferred():
                _drive(_Link(study, interrupts, cluster))
        except KeyboardInterrupt:
            study.stop()
            raise


def _drive(link: "_Link") -> None:
    left = True
    try:
        link.study.slots = _slots(link.study)
        link.carried = send(getattr(link.study.spec, "trial", {}).get("function"))
        _tune(link)
        left = False
    except (_Quit, _QuitTidily):
        pass
    except Exception:  # a Ray that has died makes its calls fail in whatever way
        if not (link.error or link.cluster.probe.is_lost(_GRACE)):
            raise
    if link.error:
        raise link.error
    if left and link.cluster.probe.lost:
        raise link.cluster.fault()


def _last_words(study: "Study") -> str:
    runs = study.history.folder.parent
    option = "" if runs == Path("runs").absolute() else f" --runs {runs}"
    return f"go on with: autotune resume {study.spec.name}{option}"


class _Quit(BaseException):
    """Leaves Tune's loop at once; the following shutdown of Ray cleans up faster."""


class _QuitTidily(Exception):
    """The same with a Ray that stays: Tune first waits for its actors and ends them."""


@dataclass(slots=True)
class _Running:
    """An assignment that is out."""

    assignment: Assignment
    watch: Watch
    trial: Any = None
    """Ray's trial; None until Ray has started it."""
    killed: Failure | None = None
    """Why its process was ended here."""
    _resets: float = 0.0

    @property
    def has_begun(self) -> bool:
        """Whether it still waits for a worker."""
        return self.trial is not None and self.trial.temporary_state.ray_actor is not None

    def is_over_a_limit(self, passed: float) -> bool:
        """Whether its process must be ended, after `passed` more seconds."""
        if self.killed or not self.has_begun:
            return False
        if self.trial.status == Trial.RUNNING:
            self.killed = self.watch.waited(passed)
        else:
            self._resets += passed
            if self._resets > _RESET:
                said = "its worker did not get rid of the trial before"
                self.killed = Failure(Reason.LOST, said)
        return self.killed is not None


class _Link:
    """State shared by the adapters: the study, what runs, and why the loop must be left."""

    def __init__(self, study: "Study", interrupts: Interrupts, cluster: Cluster) -> None:
        self.study, self.interrupts, self.cluster = study, interrupts, cluster
        self.running: dict[str, _Running] = {}
        """By Ray's trial id."""
        self._looked = time.monotonic()
        self.error: Exception | None = None
        self.carried: dict[str, Any] = {}
        """Sent with every assignment."""
        self.mixed = len(study.shares()) > 1
        """Whether trials differ in resources."""

    def __reduce__(self) -> tuple[type, tuple[()]]:
        """Discards the state of Ray's loop, which Ray would save into files that nobody reads."""
        return str, ()

    def tell(self, call: Callable[[], _T], otherwise: _U) -> _T | _U:
        """`call` on the study; an exception ends the run at the next safe point."""
        try:
            return call()
        except Exception as error:
            self.error = self.error or error
            return otherwise

    def keep_limits(self) -> None:
        """Ends the processes of hanging trials; each comes back as an error of its trial."""
        now = time.monotonic()
        passed, self._looked = now - self._looked, now
        for running in self.running.values():
            if running.is_over_a_limit(passed):
                ray.kill(running.trial.temporary_state.ray_actor)

    def is_placing(self) -> bool:
        """Whether a trial waits for resources, where others could overtake it. The next one is
        requested when it has started, so it waits only for running trials."""
        return self.mixed and any(not running.has_begun for running in self.running.values())

    def leave_if_needed(self) -> None:
        lost = self.cluster.probe.lost
        if self.interrupts.pending or self.error or lost:
            raise _Quit if self.cluster.owned or lost else _QuitTidily

    def is_ending(self) -> bool:
        """Whether a worker's death was the first sign that all of Ray ends."""
        return bool(self.interrupts.pending) or self.cluster.probe.is_lost(_GRACE)


class _StudySearcher(Searcher):  # type: ignore[misc]
    def __init__(self, link: _Link) -> None:
        super().__init__()
        self._link = link

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        from autotune.study.state_machine import Done, Wait

        while True:
            self._link.leave_if_needed()
            if self._link.is_placing():
                return None
            answer = self._link.tell(self._link.study.next, Wait())
            if not isinstance(answer, Wait) or self._link.running:
                break
            time.sleep(_POLL)  # with nothing running Ray itself would sleep for a second
        if isinstance(answer, Assignment):
            self._link.running[trial_id] = _Running(answer, Watch(answer))
            return {"assignment": json.dumps(asdict(answer)), **self._link.carried}
        return Searcher.FINISHED if isinstance(answer, Done) else None

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        pass

    def save(self, checkpoint_path: str) -> None:
        pass


class _StudyScheduler(TrialScheduler):  # type: ignore[misc]
    def __init__(self, link: _Link) -> None:
        super().__init__()
        self._link = link
        self._warm = False

    def on_trial_result(self, controller: Any, trial: Trial, result: dict[str, Any]) -> Any:
        if not (self._warm or self._link.mixed):  # where idle ones would hold resources of others
            self._warm = _keep_warm(controller, trial, self._link.study.slots)
        running, reply = self._link.running[trial.trial_id], result["reply"]
        ending = reply if isinstance(reply, Failure | Fault) else None
        if isinstance(reply, Report):
            worker = f"{result['hostname']}:{result['pid']}"
            report = self._link.study.report
            running.watch.heard(reply)
            decision = self._link.tell(
                lambda: report(running.assignment, reply, worker), Decision.STOP
            )
            if decision is Decision.CONTINUE:
                return TrialScheduler.CONTINUE
        if isinstance(ending, Fault):
            ending = Fault(f"{ending.message} (on {result['hostname']})")
        self._finish(trial, ending)
        return TrialScheduler.STOP

    def on_trial_error(self, controller: Any, trial: Trial) -> None:
        killed = self._link.running[trial.trial_id].killed
        if killed or not self._link.is_ending():
            self._finish(trial, killed or Failure(Reason.LOST, _why(trial)))

    def _finish(self, trial: Trial, ending: Failure | Fault | None) -> None:
        # After an exception of the study nothing more is reported: a resume continues from there.
        assignment = self._link.running.pop(trial.trial_id).assignment
        if self._link.error is None:
            self._link.tell(lambda: self._link.study.finish(assignment, ending), None)

    def choose_trial_to_run(self, controller: Any) -> Trial | None:
        return None  # in the order they were suggested

    def on_trial_add(self, controller: Any, trial: Trial) -> None:
        self._link.running[trial.trial_id].trial = trial

    def on_trial_complete(self, controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        pass

    def on_trial_remove(self, controller: Any, trial: Trial) -> None:
        pass


class _SafePoint(Stopper):  # type: ignore[misc]
    """Called once a turn of Tune's loop, outside its handlers, which swallow exceptions."""

    def __init__(self, link: _Link) -> None:
        self._link = link

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        self._link.leave_if_needed()
        self._link.keep_limits()
        return False


class _Silent(ProgressReporter):  # type: ignore[misc]
    """In a notebook, Ray's own clears the cell's output even with nothing to show."""

    def setup(self, **_: Any) -> None:
        pass

    def should_report(self, trials: Any, done: bool = False) -> bool:
        return False

    def report(self, trials: Any, done: bool, *sys_info: Any) -> None:
        pass


class _Worker(tune.Trainable):  # type: ignore[misc]
    """A warm process that runs one assignment after the other, alone or as the leader of
    several."""

    @classmethod
    def default_resource_request(cls, config: dict[str, Any]) -> PlacementGroupFactory:
        return bundles(_assignment(config).share)

    def setup(self, config: dict[str, Any]) -> None:
        # The driver handles Ctrl-C, which a terminal sends to every process.
        with suppress(ValueError):
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        hide_sockets()
        own_process()
        self._ranks = RayRanks()
        self._start(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._end()
        self._start(new_config)
        return True

    def step(self) -> dict[str, Any]:
        # None: the work has ended by itself.
        return {"reply": next(self._work, None)}

    def cleanup(self) -> None:
        self._end()

    def _end(self) -> None:
        try:
            self._work.close()
        except Hanging:
            os._exit(1)  # with all that it holds

    def _start(self, config: dict[str, Any]) -> None:
        assignment = _assignment(config)
        # An error here comes up again in the work itself, which reports it.
        if assignment.share.processes > 1:
            self._ranks.carried = config
            with suppress(OSError):
                self._ranks.start(assignment.share)
            self._work = lead(assignment, self._ranks)
        else:
            receive(assignment.config.get("function"), config)
            with suppress(Exception):
                warm_up(assignment)
            self._work = work(assignment)
        self.config: dict[str, Any] = {}  # Ray would send it back with every result


def _assignment(config: Mapping[str, Any]) -> Assignment:
    fields = json.loads(config["assignment"])
    decoded = {"purpose": Purpose(fields["purpose"]), "share": Share(**fields["share"])}
    return Assignment(**{**fields, **decoded})


def _tune(link: _Link) -> None:
    study = link.study
    # More than can be pending, so that a freed actor takes the next assignment. With Ray's own
    # figure, 1, it takes one that waits for its actor to start, and that actor is killed: a study
    # of short trials would never get its second worker.
    pending = {"TUNE_MAX_PENDING_TRIALS_PG": str(study.slots + 1)}
    with environment(pending):
        tune.run(
            _Worker,
            name="study",
            search_alg=_StudySearcher(link),
            scheduler=_StudyScheduler(link),
            stop=_SafePoint(link),
            num_samples=-1,
            storage_path=str(link.cluster.folder),
            trial_dirname_creator=lambda trial: trial.trial_id,
            reuse_actors=True,
            max_failures=0,
            raise_on_failed_trial=False,
            progress_reporter=_Silent(),
            verbose=0,
        )


def _keep_warm(controller: Any, trial: Trial, slots: int) -> bool:
    """Let Tune keep every idle actor, not one: after a Wait all of them are wanted again.

    Not public. Where Ray has changed it, idle workers are only slower to come back.
    """
    with suppress(AttributeError):
        controller._tune_controller._actor_cache.increase_max(trial.placement_group_factory, slots)
    return True


def _why(trial: Trial) -> str:
    error = trial.get_error()
    lines = [line.strip() for line in str(error or "").splitlines() if line.strip()]
    return f"its worker died: {lines[0][:200]}" if lines else "its worker died"


def _slots(study: "Study") -> int:
    """How many trials fit at once; a process is never spread over two machines, a trial may be."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    fits = {share: _processes(share, nodes) // share.processes for share in study.shares()}
    for share, count in fits.items():
        if count == 0:
            raise InvalidInput([Problem(_too_large(share, nodes), path=("worker",))])
    most = study.spec.worker.max
    return min(max(fits.values()), most or max(fits.values()))


def _processes(share: Share, nodes: Sequence[Mapping[str, float]]) -> int:
    return sum(int(min(share.fit(node.get("CPU", 0), node.get("GPU", 0)))) for node in nodes)


def _too_large(share: Share, nodes: Sequence[Mapping[str, float]]) -> str:
    asks = f"{share.cpus:g} CPUs and {share.gpus:g} GPUs"
    if room := _processes(share, nodes):
        return (
            f"a trial must fit on all machines together, which have room for {room} processes with"
            f" {asks} each, but `worker` asks for {share.processes}; ask for fewer"
        )
    most = {name: max(node.get(name, 0) for node in nodes) for name in ("CPU", "GPU")}
    return (
        f"a worker must fit on one machine, which has at most {most['CPU']:g} CPUs and"
        f" {most['GPU']:g} GPUs, but `worker` asks for {asks}; ask for less"
    )
