"""Seeds of one training: every use of randomness has its own."""

import hashlib

__all__ = ["seed_of"]


def seed_of(seed: int, at: int, purpose: str) -> int:
    """A seed for one use of randomness at a step or epoch, unlike that of any other use."""
    digest = hashlib.blake2b(f"{seed}/{at}/{purpose}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> 1
