"""Runs a study with Ray Tune over CPUs, GPUs, fractions of them, and clusters.

The study decides; Ray places and runs. To Tune the study is a Searcher and a TrialScheduler, and an
assignment is one Tune trial, carried out by a warm actor. Nothing of Ray's own is kept: no logger,
no checkpoint, no restore, no output.

What Ray would do otherwise, and is avoided here:
- A result with `done: True` never reaches the scheduler, so the worker never sends one.
- It never asks again after FINISHED, so `suggest` answers None until the study is Done.
- It keeps only one idle actor and lets the others die (3 s each to start again): see `_keep_warm`.
- It starts new processes for its actors beside those that stand ready: see `_ready_processes`.
- An exception in a worker costs its process and hides the reason: failures come as results.
- An exception in the scheduler comes back as text in a TuneError: ours wait in `_Link.error`.
"""

import json
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

import ray
from ray import tune
from ray.tune.execution import class_cache
from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher
from ray.tune.stopper import Stopper

from autotune.engine.interrupt import Interrupts
from autotune.engine.leftovers import hide_sockets
from autotune.engine.quiet import environment, silence, temporary_folder
from autotune.engine.watch import Watch
from autotune.engine.worker import warm_up, work
from autotune.errors import Hanging, InvalidInput, Problem, UserError, echo
from autotune.trial import Assignment, Decision, Failure, Fault, Purpose, Reason, Report

if TYPE_CHECKING:
    from autotune.study import Study

__all__ = ["connection", "run"]

_T = TypeVar("_T")
_U = TypeVar("_U")

_POLL = 0.05
"""Seconds between two questions while nothing runs and the study has nothing to hand out."""

_RESET = 120.0
"""Seconds until a worker that cannot end its work by itself is ended."""

_WORKER_ENVIRONMENT = {
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # relative paths mean what they mean to the user
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # silences a warning about its future
    "PL_DISABLE_FORK": "1",  # Tune's own for its actors: see `_ready_processes`
}
_ENVIRONMENT = {
    **_WORKER_ENVIRONMENT,
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1e9",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_RESULT_BUFFER_LENGTH": "1",
    "TUNE_WARN_THRESHOLD_S": "1e9",
}
"""Set for the time of a run."""


def run(study: "Study", address: str | None = None) -> None:
    """Run `study` to its end on this machine's cores, or on the running cluster at `address`.

    A Ray that the caller has initialised is used and left running. Raises KeyboardInterrupt after
    Ctrl-C, with all written and Ray shut down; what was running is left as it is for a resume.
    """
    with Interrupts() as interrupts, connection(address) as owned, temporary_folder() as folder:
        try:
            with interrupts.deferred():
                study.slots = _slots(study)
                _tune(study, _Link(study, interrupts, owned), folder)
        except KeyboardInterrupt:
            study.stop()
            raise


@contextmanager
def connection(address: str | None = None) -> Iterator[bool]:
    """A silent Ray, ended on leaving where it was begun here; yields whether it was."""
    with ExitStack() as stack:
        # Nothing phones home unless the user's own environment says so.
        usage = {"RAY_USAGE_STATS_ENABLED": os.environ.get("RAY_USAGE_STATS_ENABLED", "0")}
        stack.enter_context(environment(_ENVIRONMENT | usage))
        stack.enter_context(silence("ray"))
        stack.enter_context(_no_notes())
        owned = not ray.is_initialized()
        if owned:
            stack.enter_context(_started(address, stack.enter_context(temporary_folder())))
        yield owned


class _Quit(BaseException):
    """Leaves Tune's loop at once; shutting Ray down, which follows, cleans up quicker."""


class _QuitTidily(Exception):
    """The same from a Ray that stays: Tune first waits for its actors and ends them."""


@dataclass(slots=True)
class _Running:
    """What is known of an assignment that is out."""

    assignment: Assignment
    watch: Watch
    trial: Any = None
    """Ray's; None until it has taken it up."""
    killed: Failure | None = None
    """Why its process was ended here."""
    _resets: float = 0.0

    def is_over_a_limit(self, passed: float) -> bool:
        """Whether its process is to be ended, now that `passed` seconds more are over."""
        if self.killed or self.trial is None or self.trial.temporary_state.ray_actor is None:
            return False  # or it waits for a worker
        if self.trial.status == Trial.RUNNING:
            self.killed = self.watch.waited(passed)
        else:
            self._resets += passed
            if self._resets > _RESET:
                said = "its worker did not get rid of the trial before"
                self.killed = Failure(Reason.LOST, said)
        return self.killed is not None


class _Link:
    """What the adapters share: the study, what runs, and why the loop must be left."""

    def __init__(self, study: "Study", interrupts: Interrupts, owned: bool) -> None:
        self.study = study
        self.interrupts = interrupts
        self.running: dict[str, _Running] = {}
        """By Ray's trial id."""
        self._looked = time.monotonic()
        self.error: Exception | None = None
        self._quit = _Quit if owned else _QuitTidily

    def __reduce__(self) -> tuple[type, tuple[()]]:
        """Ray saves the state of its loop, into files that nobody reads: not the study's."""
        return str, ()

    def tell(self, call: Callable[[], _T], otherwise: _U) -> _T | _U:
        """`call` on the study; an exception of the study ends the run at the next safe point."""
        try:
            return call()
        except Exception as error:
            self.error = self.error or error
            return otherwise

    def keep_limits(self) -> None:
        """Ends the processes of what hangs; each comes back as an error of its trial."""
        now = time.monotonic()
        passed, self._looked = now - self._looked, now
        for running in self.running.values():
            if running.is_over_a_limit(passed):
                ray.kill(running.trial.temporary_state.ray_actor)

    def leave_if_needed(self) -> None:
        if self.interrupts.pending or self.error:
            raise self._quit


class _StudySearcher(Searcher):  # type: ignore[misc]
    def __init__(self, link: _Link) -> None:
        super().__init__()
        self._link = link

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        from autotune.study import Done, Wait

        while True:
            self._link.leave_if_needed()
            answer = self._link.tell(self._link.study.next, Wait())
            if not isinstance(answer, Wait) or self._link.running:
                break
            time.sleep(_POLL)  # with nothing running Ray itself would sleep for a second
        if isinstance(answer, Assignment):
            self._link.running[trial_id] = _Running(answer, Watch(answer))
            return {"assignment": json.dumps(asdict(answer))}
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
        if not self._warm:
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
        self._finish(trial, killed or Failure(Reason.LOST, _last_words(trial)))

    def _finish(self, trial: Trial, ending: Failure | Fault | None) -> None:
        # After an exception of the study nothing more is told: a resume takes it up from there.
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
    """Asked once a turn of Tune's loop, outside its handlers, which swallow exceptions."""

    def __init__(self, link: _Link) -> None:
        self._link = link

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        self._link.leave_if_needed()
        self._link.keep_limits()
        return False


class _Worker(tune.Trainable):  # type: ignore[misc]
    """A warm process that carries out one assignment after the other."""

    def setup(self, config: dict[str, Any]) -> None:
        # The driver decides about Ctrl-C, which the terminal sends to every process.
        with suppress(ValueError):
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        hide_sockets()
        with suppress(Exception):  # said again, as a Failure, by the work itself
            warm_up(_assignment(config))
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
        self._work = work(_assignment(config))
        self.config: dict[str, Any] = {}  # Ray would send it back with every result


def _assignment(config: Mapping[str, Any]) -> Assignment:
    fields = json.loads(config["assignment"])
    return Assignment(**{**fields, "purpose": Purpose(fields["purpose"])})


def _tune(study: "Study", link: _Link, folder: Path) -> None:
    worker = study.spec.worker
    # More than can be pending, so that a freed actor takes the next assignment. With Ray's own
    # figure, 1, it takes one that waits for its actor to start, and that actor is killed: a study
    # of short trials would never get its second worker.
    pending = {"TUNE_MAX_PENDING_TRIALS_PG": str(study.slots + 1)}
    try:
        with environment(pending):
            tune.run(
                _Worker,
                name="study",
                search_alg=_StudySearcher(link),
                scheduler=_StudyScheduler(link),
                stop=_SafePoint(link),
                num_samples=-1,
                resources_per_trial={"cpu": worker.cpus, "gpu": worker.gpus},
                storage_path=str(folder),
                trial_dirname_creator=lambda trial: trial.trial_id,
                reuse_actors=True,
                max_failures=0,
                raise_on_failed_trial=False,
                verbose=0,
            )
    except (_Quit, _QuitTidily):
        pass
    if link.error:
        raise link.error


def _keep_warm(controller: Any, trial: Trial, slots: int) -> bool:
    """Let Tune keep every idle actor, not one: after a Wait all of them are wanted again.

    Not public. Where Ray has changed it, idle workers are only slower to come back.
    """
    with suppress(AttributeError):
        controller._tune_controller._actor_cache.increase_max(trial.placement_group_factory, slots)
    return True


def _last_words(trial: Trial) -> str:
    error = trial.get_error()
    lines = [line.strip() for line in str(error or "").splitlines() if line.strip()]
    return f"its worker died: {lines[0][:200]}" if lines else "its worker died"


def _slots(study: "Study") -> int:
    """How many workers fit, node by node: a worker is never spread over two."""
    worker = study.spec.worker
    wanted = {"CPU": worker.cpus, "GPU": worker.gpus}
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    fits = sum(_fits(resources, wanted) for resources in nodes)
    if fits == 0:
        most = {name: max(node.get(name, 0) for node in nodes) for name in wanted}
        raise InvalidInput(
            [
                Problem(
                    f"a worker must fit on one machine, which has at most {most['CPU']:g} CPUs and"
                    f" {most['GPU']:g} GPUs, but `worker` asks for {worker.cpus:g} CPUs and"
                    f" {worker.gpus:g} GPUs; ask for less",
                    path=("worker",),
                )
            ]
        )
    return min(fits, worker.max) if worker.max else fits


def _fits(resources: Mapping[str, float], wanted: Mapping[str, float]) -> int:
    # Ray counts in ten-thousandths; 3 * 0.1 must fit in 0.3.
    shares = [resources.get(name, 0) / share for name, share in wanted.items() if share]
    return int(min(shares) + 1e-6)


@contextmanager
def _started(address: str | None, folder: Path) -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    quiet = {"logging_level": logging.CRITICAL, "log_to_driver": False}
    if address:
        _knock(address)
    with ExitStack() as stack:
        stack.callback(_shut_down, before)
        if address:
            ray.init(address, runtime_env={"env_vars": _WORKER_ENVIRONMENT}, **quiet)
        else:
            ray.init("local", include_dashboard=False, _temp_dir=str(folder), **quiet)
            stack.enter_context(_ready_processes())
        yield


def _knock(address: str) -> None:
    """Raises UserError at once where Ray would try for two minutes, and talk about it."""
    host, _, port = address.rpartition(":")
    try:
        if not host or "/" in host or not port.isdecimal():
            raise ValueError("is not host:port")
        socket.create_connection((host, int(port)), timeout=5).close()
    except (OSError, ValueError, OverflowError) as error:
        law = "--address must be the host:port of a running Ray cluster's head"
        raise UserError(f"{law}, but {echo(address)}: {error}") from None


def _shut_down(sigterm: Any) -> None:
    ray.shutdown()
    with suppress(ValueError):  # not in the main thread: Ray has set none either
        signal.signal(signal.SIGTERM, sigterm)


def _ready_processes() -> AbstractContextManager[None]:
    """Let actors be made of the processes that Ray has started ahead, which saves a second.

    Tune asks for environment variables of its own for its actors, and for those Ray starts
    new processes. Here they are in the environment already, which every process inherits.
    """
    return _settings(class_cache, {"DEFAULT_ENV_VARS": {}, "ENV_VARS_TO_PROPAGATE": set()})


def _no_notes() -> AbstractContextManager[None]:
    """Ray prints a paragraph to stdout whenever a worker dies, `log_to_driver` or not."""
    return _settings(ray._private.worker, {"_worker_logs_enabled": False})


@contextmanager
def _settings(module: ModuleType, values: Mapping[str, Any]) -> Iterator[None]:
    """Sets what Ray has no public setting for; nothing where another version lacks it."""
    before = {name: vars(module)[name] for name in values if name in vars(module)}
    vars(module).update({name: values[name] for name in before})
    try:
        yield
    finally:
        vars(module).update(before)
