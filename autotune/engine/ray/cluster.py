"""The Ray that a study runs on: started here or joined, watched, and shut down.

A Ray of our own listens on 127.0.0.1 only, contacts nobody outside, admits only holders of this
run's token, and starts only processes that trials need: no dashboard, autoscaler or log reader.
Internals of Ray without a public setting are patched during a run.
"""

import logging
import os
import secrets
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import ray
from ray._private import node as ray_node
from ray._private import ray_constants
from ray._private import services as ray_services
from ray._private import utils as ray_utils
from ray._private import worker as ray_worker
from ray.tune.execution import class_cache

from autotune.engine.environment import environment, hushed, settings, silence
from autotune.engine.ray.liveness import LivenessProbe
from autotune.engine.scratch import end_processes, scratch_folder
from autotune.errors import MachineFault, Passing, UserError, echo

__all__ = ["Cluster", "RayLost", "connection"]

_inside: Any = ray._raylet

_WORKER_ENVIRONMENT = {
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # relative paths mean what they mean to the user
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # silences a warning about its future
    "PL_DISABLE_FORK": "1",  # Tune's own for its actors: see `_ready_processes`
}
_ENVIRONMENT = {
    **_WORKER_ENVIRONMENT,
    "RAY_AIR_NEW_OUTPUT": "0",
    # A worker that is killed takes its process group along, but no process with its own session.
    "RAY_process_group_cleanup_enabled": "1",
    "RAY_kill_child_processes_on_worker_exit": "0",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "1000000",  # after which the driver would abort
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1e9",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_RESULT_BUFFER_LENGTH": "1",
    "TUNE_WARN_THRESHOLD_S": "1e9",
}
"""Environment set during a run."""
_IMPATIENT = {"RAY_gcs_rpc_server_reconnect_timeout_s": "5"}
"""Environment of Ray's own processes; an agent may be starting when the gcs is killed."""
_UNLESS_SET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"}
"""The same, unless the user's own environment says otherwise."""
_LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Ray takes 127.0.0.1 for its address, unasked on these systems, where this is 0."""
_MODE = "RAY_AUTH_MODE"
_QUIET = {"logging_level": logging.CRITICAL, "log_to_driver": False}
_ENDING = 4.0
"""Seconds for a live gcs to answer, when Ray is left."""
_KNOCKS = 8
"""Unanswered looks in a row before a joined cluster counts as lost."""


_Begun = dict[str, "subprocess.Popen[bytes]"]
"""Ray's own processes that were started here, by their kind: gcs_server, raylet."""


class RayLost(Passing):
    """A Ray of our own has died, or did not start."""

    cure = "the study goes on with a new Ray"


@dataclass(frozen=True, slots=True)
class Cluster:
    """The Ray of a run."""

    owned: bool
    """Disconnect on leaving; otherwise the caller was connected before, and stays so."""
    begun: bool
    """Started with the connection, and shut down with it."""
    probe: LivenessProbe
    folder: Path
    """For files that are needed as long as the connection."""

    def fault(self) -> MachineFault:
        """Raise the error if `probe` has lost something."""
        return RayLost(self.probe.lost) if self.begun else MachineFault(self.probe.lost)


@contextmanager
def connection(address: str | None = None, last_words: str = "") -> Iterator[Cluster]:
    """A silent Ray of our own, or the cluster at `address`; left on exit unless the caller had
    initialized it. `last_words` are those of LivenessProbe."""
    with ExitStack() as stack:
        quiet = {name: os.environ.get(name, value) for name, value in _UNLESS_SET.items()}
        stack.enter_context(environment(_ENVIRONMENT | quiet))
        stack.enter_context(silence("ray"))
        # Ray prints a paragraph to stdout whenever a worker dies, whatever `log_to_driver` is.
        stack.enter_context(settings(ray_worker, {"_worker_logs_enabled": False}))
        folder = stack.enter_context(scratch_folder())
        begun: _Begun = {}
        probe = LivenessProbe(last_words, partial(end_processes, folder))
        stand_in = _StandIn(folder, begun)
        stack.callback(stand_in.end)
        stack.callback(probe.end)
        owned = not ray.is_initialized()
        try:
            if owned and not address:  # it may die while it starts
                probe.start(partial(_dead, begun), stand_in.help)
                stack.enter_context(_started(folder, begun, probe))
            else:
                if owned and address:
                    stack.enter_context(_joined(address))
                probe.start(_look(), _nothing)
        finally:
            stack.callback(probe.close)
        yield Cluster(owned, owned and not address, probe, folder)


@contextmanager
def _started(folder: Path, begun: _Begun, probe: LivenessProbe) -> Iterator[None]:
    with _token_of_our_own(), environment({_LOOPBACK: "0"}), _ending():
        with _only_what_trials_need(folder, begun), hushed():
            try:
                ray.init("local", include_dashboard=False, _temp_dir=str(folder), **_QUIET)
            except Exception as error:
                why = probe.lost or f"Ray did not start: {_one_line(error)}"
                raise RayLost(why) from error
        _take_back_sigterm()
        with _ready_processes():
            yield


@contextmanager
def _joined(address: str) -> Iterator[None]:
    _knock(address)
    with _admitted(address), _ending():
        with settings(ray_utils, {"set_sigterm_handler": _nothing}), hushed():
            try:
                ray.init(address, runtime_env={"env_vars": _WORKER_ENVIRONMENT}, **_QUIET)
            except Exception as error:
                raise UserError(
                    f"the Ray cluster at {address} cannot be joined: {_one_line(error)}"
                ) from error
        _take_back_sigterm()
        yield


@contextmanager
def _ending() -> Iterator[None]:
    try:
        yield
    finally:
        with suppress(Exception):  # of a Ray that has half started, or is dead
            ray.shutdown()


def _only_what_trials_need(folder: Path, begun: _Begun) -> AbstractContextManager[ExitStack]:
    """Starts Ray sooner, without these processes. The dashboard's would only serve usage
    statistics, for which it asks three clouds whether this is one of their machines."""
    stack = ExitStack()
    unwanted = {"start_monitor": _nothing, "start_log_monitor": _nothing}
    if os.environ["RAY_USAGE_STATS_ENABLED"] == "0":
        unwanted["start_api_server"] = _nothing
    stack.enter_context(settings(ray_node.Node, unwanted))
    stack.enter_context(settings(ray_constants, {"ENABLE_RAY_CLUSTER": False}))
    share_fate = ray_utils.set_kill_on_parent_death_linux

    def apart() -> None:
        """Signals to the driver's process group, as a terminal sends them, are for the driver
        only."""
        os.setpgid(0, 0)
        share_fate()

    begin = {"set_sigterm_handler": _nothing, "set_kill_on_parent_death_linux": apart}
    stack.enter_context(settings(ray_utils, begin))
    stack.enter_context(settings(ray_services, {"start_ray_process": _begins(folder, begun)}))
    return stack


def _begins(folder: Path, begun: _Begun) -> Callable[..., Any]:
    """Ray's function that starts a process of its own, which is noted in `begun`. Those processes
    are killed with their driver; their children must notice: `_expect_a_kill`, `_IMPATIENT`."""
    start = ray_services.start_ray_process

    def started(command: Any, kind: str, *args: Any, **options: Any) -> Any:
        if kind == ray_constants.PROCESS_TYPE_RAYLET:
            _expect_a_kill(folder)
        options["env_updates"] = {**(options.get("env_updates") or {}), **_IMPATIENT}
        info = start(command, kind, *args, **options)
        begun[kind] = info.process
        return info

    return started


def _expect_a_kill(folder: Path) -> None:
    """When the raylet dies, its agents try for a minute to report that to the gcs, unless the
    raylet's log says that it was asked to end."""
    with suppress(OSError), (folder / "session_latest/logs/raylet.out").open("a") as log:
        log.write("Raylet received SIGTERM, or is killed with its driver\n")


def _nothing(*_: object, **__: object) -> None:
    pass


def _take_back_sigterm() -> None:
    """Replaces Ray's C++ signal handler, which prints a stack and aborts."""
    if threading.current_thread() is threading.main_thread():
        before = signal.getsignal(signal.SIGTERM)
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)


def _ready_processes() -> AbstractContextManager[None]:
    """Let actors be made of the processes that Ray has started ahead, which saves a second.

    Tune asks for environment variables of its own for its actors, and for those Ray starts
    new processes. Here they are in the environment already, which every process inherits.
    """
    return settings(class_cache, {"DEFAULT_ENV_VARS": {}, "ENV_VARS_TO_PROPAGATE": set()})


# Authentication


@contextmanager
def _token_of_our_own() -> Iterator[None]:
    """A token for this run only, never on disk, where `ray start` would find and require it."""
    ours = {_MODE: "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    with environment({} if _MODE in os.environ else ours):
        _read_tokens()
        yield
    _read_tokens()


@contextmanager
def _admitted(address: str) -> Iterator[None]:
    has_tokens = hasattr(_inside, "AuthenticationTokenLoader")  # earlier versions have not
    with environment({_MODE: _mode(address)} if has_tokens else {}):
        _read_tokens()
        yield
    _read_tokens()


def _mode(address: str) -> str:
    """Ray sends a token to an address only if told to. We do if the cluster requires one. Raises
    UserError if it admits us neither way."""
    has_token = _inside.AuthenticationTokenLoader.instance().has_token(ignore_auth_mode=True)
    ways = [os.environ[_MODE]] if _MODE in os.environ else ["disabled", "token"]
    tried = [way for way in ways if has_token or way != "token"]
    for way in tried:
        if _admits(address, way):
            return way
    came = "refuses this machine's" if "token" in tried else "this machine has none"
    if has_token and "token" not in tried:
        came = f"{_MODE} is {echo(os.environ[_MODE])}"
    raise UserError(
        f"the Ray cluster at {address} asks for a token, but {came}: set RAY_AUTH_TOKEN to what"
        " `ray get-auth-token` prints on its head"
    )


def _admits(address: str, way: str) -> bool:
    with environment({_MODE: way}), hushed():
        _read_tokens()
        try:
            _inside.GcsClient(address=address)
        except getattr(ray.exceptions, "AuthenticationError", ()):
            return False
        except Exception as error:
            raise UserError(f"{_LAW}, but {echo(address)}: {_one_line(error)}") from None
    return True


def _read_tokens() -> None:
    """Clears Ray's caches of the environment and of the token's file."""
    if hasattr(_inside, "AuthenticationTokenLoader"):
        _inside.Config.initialize("")
        _inside.AuthenticationTokenLoader.instance().reset_cache()


_LAW = "--address must be the host:port of a running Ray cluster's head"


def _knock(address: str) -> None:
    """Raises UserError at once where Ray would try for two minutes and log."""
    host, _, port = address.rpartition(":")
    try:
        if not host or "/" in host or not port.isdecimal():
            raise ValueError("is not host:port")
        socket.create_connection((host, int(port)), timeout=5).close()
    except (OSError, ValueError, OverflowError) as error:
        raise UserError(f"{_LAW}, but {echo(address)}: {error}") from None


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else f"{text[:197]}..."


# Liveness


def _look() -> Callable[[], str]:
    """Names what of the connected Ray has died, or ""."""
    node = ray_worker._global_node
    begun = node.all_processes
    ours = {name: begun[name][0].process for name in ("gcs_server", "raylet") if name in begun}
    if ours:
        return partial(_dead, ours)
    raylet = node._ray_params.node_manager_port
    places = {"gcs_server": node.gcs_address, "raylet": f"{node.node_ip_address}:{raylet}"}
    return _Knocks({name: place for name, place in places.items() if raylet or name != "raylet"})


def _dead(processes: "Mapping[str, subprocess.Popen[bytes]]") -> str:
    for name, process in [*processes.items()]:  # a thread looks while others begin
        code = process.poll()
        if code is not None:
            how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            return f"Ray's {name} died ({how})"
    return ""


class _Knocks:
    """For a joined cluster, only open ports can be observed."""

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = places
        self._missed = dict.fromkeys(places, 0)

    def __call__(self) -> str:
        for name, place in self._places.items():
            host, _, port = place.rpartition(":")
            try:
                socket.create_connection((host.strip("[]"), int(port)), timeout=0.5).close()
                self._missed[name] = 0
            except OSError:
                self._missed[name] += 1
                if self._missed[name] >= _KNOCKS:
                    return f"Ray's {name} at {place} does not answer"
        return ""


class _StandIn:
    """Calls to a dead gcs may wait for it for ever, and so do those to one that is ending. Another
    one in its place refuses them: they are meant for the one that died."""

    def __init__(self, folder: Path, begun: _Begun) -> None:
        self._folder, self._begun = folder, begun
        self._process: subprocess.Popen[bytes] | None = None

    def help(self, passed: float) -> None:
        """`passed`: seconds that the main thread has been leaving for."""
        gcs, port = self._begun.get("gcs_server"), self._port()
        if self._process or gcs is None or not port:
            return
        if gcs.poll() is None:
            if passed < _ENDING:
                return
            gcs.kill()
            gcs.wait()
        end_processes(self._folder)  # which would take it for the old one
        flag, words = "--gcs_server_port=", cast("list[str]", gcs.args)
        command = [flag + port if word.startswith(flag) else word for word in words]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def _port(self) -> str:
        """What the gcs has written down; "" as long as it has not."""
        for file in self._folder.glob("session_latest/gcs_server_port_*"):
            return file.read_text().strip()
        return ""

    def end(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
