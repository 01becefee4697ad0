from threadpoolctl import threadpool_info, threadpool_limits

from autotune.search import mfgp_sampler
from autotune.search.threads import one_thread
from autotune.testing.search import SPACES, simulate
from autotune.trial import Goal


def threads() -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info()}


def test_on_one_thread_and_as_many_as_before_afterwards():
    import torch

    with threadpool_limits(2):
        with one_thread():
            assert threads() == {1} and torch.get_num_threads() == 1
        assert threads() == {2} and torch.get_num_threads() == 2


def test_a_model_is_asked_on_one_thread(monkeypatch):
    seen = []

    class Watched(mfgp_sampler.Posterior):
        def __call__(self, features, place=1.0):
            seen.append(threads())
            return super().__call__(features, place)

    monkeypatch.setattr(mfgp_sampler, "Posterior", Watched)
    sampler = mfgp_sampler.MfgpSampler(SPACES["flat"], [Goal.MINIMIZE], 0, 2)
    with threadpool_limits(2):
        simulate(sampler, SPACES["flat"], 8)
    assert seen and all(each == {1} for each in seen)
