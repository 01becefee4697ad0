import pytest

pytest.register_assert_rewrite("autotune.testing.engine", "autotune.testing.ranks")
