"""The place of a process among those of its trial, in the words of torchrun."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

__all__ = ["ALONE", "Place", "places"]


@dataclass(frozen=True, slots=True)
class Place:
    rank: int = 0
    world_size: int = 1
    local_rank: int = 0
    """Among those on the same machine."""
    local_world_size: int = 1
    node: int = 0
    """The number of its machine among the trial's."""
    address: str = "127.0.0.1"
    port: int = 0
    """Where rank 0 is to listen."""
    variables: tuple[tuple[str, str], ...] = ()
    """Further ones of the environment, each with its value."""

    def environment(self) -> dict[str, str]:
        """What torchrun sets, as far as the processes of others read it."""
        variables = {
            "RANK": self.rank,
            "WORLD_SIZE": self.world_size,
            "LOCAL_RANK": self.local_rank,
            "LOCAL_WORLD_SIZE": self.local_world_size,
            "GROUP_RANK": self.node,
            "NODE_RANK": self.node,  # Lightning's word for it
            "MASTER_ADDR": self.address,
            "MASTER_PORT": self.port,
            # By this one torch.distributed, Lightning and others know that torchrun has started
            # them, and need not start processes of their own.
            "TORCHELASTIC_RUN_ID": f"autotune-{self.port}",
            **dict(self.variables),
        }
        return {name: str(value) for name, value in variables.items()}


ALONE = Place()


def places(nodes: Sequence[str], address: str, port: int) -> list[Place]:
    """Of the processes that stand on `nodes`; those of one node must follow one another."""
    found: list[Place] = []
    order = list(dict.fromkeys(nodes))
    for rank, node in enumerate(nodes):
        about = Place(
            rank=rank,
            world_size=len(nodes),
            local_rank=nodes[:rank].count(node),
            local_world_size=nodes.count(node),
            node=order.index(node),
        )
        found.append(replace(about, address=address, port=port))
    return found
