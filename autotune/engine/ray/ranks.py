"""The processes of a trial as Ray actors, one in each bundle of the trial's own placement group.

Ray Train is not used inside of a Tune trial: it starts new processes for every trial, which takes
13 to 27 s on two cores, and outside of the trial's placement group.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import ray
from ray.tune import PlacementGroupFactory
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from autotune.engine.ranks.rank import Answer, Lost, RankWork
from autotune.engine.ray.sent_functions import receive
from autotune.engine.worker.children import hide_sockets
from autotune.engine.worker.distributed_env import Place, places
from autotune.engine.worker.output import own_process
from autotune.trial import Assignment, Share

__all__ = ["RayRanks", "bundles"]

_START = 300.0
"""Seconds until a process that does not start is given up."""
_HERE = "127.0.0.1"
_VISIBLE = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")


def bundles(share: Share) -> PlacementGroupFactory:
    """What Tune is to reserve for a trial: for one process what it takes, for several a bundle
    each, beside a leader that takes nothing."""
    one = {"CPU": share.cpus, "GPU": share.gpus}
    if share.processes == 1:
        return PlacementGroupFactory([one])
    return PlacementGroupFactory([{}, *[one] * share.processes], strategy="PACK")


@dataclass(frozen=True, slots=True)
class _Site:
    """Where an actor stands."""

    node: str
    address: str
    devices: tuple[str, str]
    """The variable that names the GPUs it was given, and its value."""


class _Rank(RankWork):
    def __init__(self) -> None:
        super().__init__()
        hide_sockets()
        own_process()
        self.warm_up()

    def receive(self, reference: str, carried: Mapping[str, Any]) -> None:
        receive(reference, carried)

    def site(self) -> _Site:
        name = next((name for name in _VISIBLE if os.environ.get(name)), _VISIBLE[0])
        value = os.environ.get(name, "") if ray.get_gpu_ids() else ""
        context = ray.get_runtime_context()
        return _Site(context.get_node_id(), ray.util.get_node_ip_address(), (name, value))


class RayRanks:
    """Of the trial whose actor this process is."""

    def __init__(self) -> None:
        self._actors: list[Any] = []
        """By rank: those of a machine follow one another."""
        self._sites: list[_Site] = []
        self._asked: dict[Any, int] = {}
        self.carried: Mapping[str, Any] = {}
        """What the assignment carries beside itself."""

    def start(self, share: Share) -> None:
        """Starts the actors, where there are none. Raises OSError."""
        if self._actors:
            return
        group = ray.util.get_current_placement_group()
        strategies = [
            PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=bundle)
            for bundle in range(share.processes)
        ]
        remote = ray.remote(_Rank)
        self._actors = [
            remote.options(
                num_cpus=share.cpus, num_gpus=share.gpus, scheduling_strategy=strategy
            ).remote()
            for strategy in strategies
        ]
        sites = self._all("site")
        nodes = [site.node for site in sites]
        order = sorted(range(len(nodes)), key=lambda bundle: nodes.index(nodes[bundle]))
        self._actors = [self._actors[bundle] for bundle in order]
        self._sites = [sites[bundle] for bundle in order]

    def begin(self, assignment: Assignment) -> None:
        self.start(assignment.share)
        if sent := self.carried.get("function"):
            name, carried = assignment.config["function"], {"function": sent}
            self._get([actor.receive.remote(name, carried) for actor in self._actors])
        (port,) = self._get([self._actors[0].reserve.remote()])
        self._get(
            [
                actor.begin.remote(assignment, place)
                for actor, place in zip(
                    self._actors, _places(self._sites, port, assignment.share), strict=True
                )
            ]
        )

    def ask(self, rank: int, what: Literal["next", "close"]) -> None:
        self._asked[getattr(self._actors[rank], what).remote()] = rank

    def answers(self, timeout: float) -> Iterator[tuple[int, Answer]]:
        if not self._asked:
            return
        ready, _ = ray.wait(list(self._asked), num_returns=1, timeout=timeout)
        if ready:
            ready, _ = ray.wait(list(self._asked), num_returns=len(self._asked), timeout=0)
        for reference in ready:
            rank = self._asked.pop(reference)
            try:
                yield rank, ray.get(reference)
            except ray.exceptions.OutOfMemoryError:
                yield rank, Lost("ended by Ray, for the machine's memory was full")
            except ray.exceptions.RayError:
                yield rank, Lost("")

    def end(self) -> None:
        for actor in self._actors:
            ray.kill(actor)
        self._actors, self._sites, self._asked = [], [], {}

    def _all(self, what: str) -> list[Any]:
        return self._get([getattr(actor, what).remote() for actor in self._actors])

    def _get(self, references: list[Any]) -> list[Any]:
        try:
            return list(ray.get(references, timeout=_START))
        except ray.exceptions.RayError as error:
            self.end()
            raise OSError(str(error).strip().partition("\n")[0]) from error


def _places(sites: Sequence[_Site], port: int, share: Share) -> list[Place]:
    """With a GPU for each process, all of a machine see those of all, in the order of their local
    ranks, as scripts for torchrun expect it; with a part of one, or several, each sees its own."""
    nodes = [site.node for site in sites]
    address = _HERE if len(set(nodes)) == 1 else sites[0].address
    found = places(nodes, address, port)
    if share.gpus != 1:
        return found
    for rank, site in enumerate(sites):
        name, _ = site.devices
        beside = [other.devices[1] for other in sites if other.node == site.node]
        found[rank] = replace(found[rank], variables=((name, ",".join(beside)),))
    return found
