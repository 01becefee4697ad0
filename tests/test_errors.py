import pickle

from autotune.errors import InvalidInput, Problem


def test_mistakes_found_in_another_process_are_told_as_they_are():
    found = InvalidInput([Problem("no fragment 'mlp'", ("space", 0), "study.yaml:3"), Problem("b")])
    told = pickle.loads(pickle.dumps(found))
    assert told.problems == found.problems
    assert str(told) == str(found) == "study.yaml:3: no fragment 'mlp'\nb"
