"""The fault campaign: a small study is struck by kill -9, by signals and by lost servers, again and
again, at seeded moments; then it is resumed to its end and checked against its journal and MLflow.

    python -m tests.faults run --out faults.jsonl        # everything; hours on two cores
    python -m tests.faults run --kind driver-inline --count 20
    python -m tests.faults table faults.jsonl
"""
