"""The rank of a process in its trial, as torchrun's environment."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

__all__ = ["ALONE", "Place", "places"]


@dataclass(frozen=True, slots=True)
class Place:
    rank: int = 0
    world_size: int = 1
    local_rank: int = 0
    """Rank among those on the same machine."""
    local_world_size: int = 1
    node: int = 0
    """Index of its machine among the trial's."""
    address: str = "127.0.0.1"
    port: int = 0
    """Where rank 0 listens."""
    variables: tuple[tuple[str, str], ...] = ()
    """Further variables of the environment."""

    def environment(self) -> dict[str, str]:
        """The variables of torchrun that other processes read."""
        variables = {
            "RANK": self.rank,
            "WORLD_SIZE": self.world_size,
            "LOCAL_RANK": self.local_rank,
            "LOCAL_WORLD_SIZE": self.local_world_size,
            "GROUP_RANK": self.node,
            "NODE_RANK": self.node,  # Lightning's word for it
            "MASTER_ADDR": self.address,
            "MASTER_PORT": self.port,
            # Tells torch.distributed, Lightning and others that torchrun has started the processes,
            "TORCHELASTIC_RUN_ID": f"autotune-{self.port}",
            **dict(self.variables),
        }
        return {name: str(value) for name, value in variables.items()}


ALONE = Place()


def places(nodes: Sequence[str], address: str, port: int) -> list[Place]:
    """The ranks of processes on `nodes`; those of one node must follow one another."""
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
