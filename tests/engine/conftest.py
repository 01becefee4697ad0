from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("autotune.testing.engine", "autotune.testing.ranks")


@pytest.fixture(scope="session")
def one_ray() -> Iterator[None]:
    """One Ray for all tests: starting it takes several seconds."""
    from autotune.engine.ray.cluster import connection

    with connection():
        yield
