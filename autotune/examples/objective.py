"""A whole trial of a user's own, as studies/custom-objective.yaml names it: no torch in it.

Copy this file into the folder you start autotune from, say as my_trial.py, and write
`function: "my_trial:boost"` in the study.
"""

from typing import Any

from sklearn.datasets import load_digits
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.model_selection import train_test_split

from autotune.engine.worker.function import FunctionTrial

__all__ = ["boost"]


def boost(config: dict[str, Any], trial: FunctionTrial) -> None:
    """Gradient boosting (Friedman 2001): three more rounds of trees before each report.

    `config` is the `trial:` of the study with this trial's values in their places. `trial.report`
    does not return once the study has decided to stop. Nothing is saved, so a trial that was
    interrupted begins anew; the study drops what it reports a second time.
    """
    x, y = load_digits(return_X_y=True)
    # The same split for every trial, whatever its seed; the last fifth is never looked at here.
    x, _, y, _ = train_test_split(x, y, test_size=0.2, stratify=y, random_state=0)
    x, x_val, y, y_val = train_test_split(x, y, test_size=0.2, stratify=y, random_state=1)
    model = GradientBoostingClassifier(
        n_estimators=0,
        warm_start=True,
        learning_rate=config["learning_rate"],
        max_depth=config["max_depth"],
        subsample=config["subsample"],
        max_features=config["max_features"],
        random_state=config["seed"] % 2**32,
    )
    for epoch in range(1, config["epochs"] + 1):
        model.set_params(n_estimators=3 * epoch)
        model.fit(x, y)  # keeps the trees there are
        trial.report(epoch, val_accuracy=model.score(x_val, y_val))
