"""All findings of one study, each made when it is first asked for."""

from functools import cached_property

from autotune.report.findings import ablation as ablations
from autotune.report.findings import answer as answers
from autotune.report.findings import environment as environments
from autotune.report.findings import failures as failed
from autotune.report.findings import importance as importances
from autotune.report.findings import slices as sliced
from autotune.report.findings import surrogate as surrogates
from autotune.report.findings import trials as shown
from autotune.report.findings import workers as working
from autotune.study.history import History

__all__ = ["Findings"]


class Findings:
    def __init__(self, history: History, metric: str | None = None) -> None:
        """`metric`: shown in place of the objective, where trials are shown by their value. Raises
        UserError where no trial reported it, and where no trial has ended."""
        self.history = history
        self.trials = shown.of_study(history, metric)

    @cached_property
    def answer(self) -> answers.Answer:
        return answers.of_study(self.history, self.trials.state)

    @cached_property
    def importance(self) -> importances.ImportanceFacts:
        return importances.of_study(self.history)

    @cached_property
    def names(self) -> list[str]:
        """All parameters, those that matter first, the most important one in front."""
        ranked = [one.parameter for one in self.importance.parameters]
        return list(dict.fromkeys([*ranked, *self.history.spec.space.parameters]))

    @cached_property
    def slices(self) -> list[sliced.Slice]:
        return sliced.of_study(self.trials, self.history.spec.space, self.names)

    @cached_property
    def surrogate(self) -> surrogates.Surrogate | None:
        return surrogates.of_study(self.history)

    @cached_property
    def contour(self) -> surrogates.Contour | None:
        """Of the two parameters that matter most among those that the winner has."""
        best = self.answer.best
        pair = [name for name in self.names if best and name in best.params][:2]
        if best is None or len(pair) < 2 or self.surrogate is None:
            return None
        x, y = pair
        return surrogates.contour(self.surrogate, self.history, best.trial, x, y)

    @cached_property
    def ablation(self) -> ablations.AblationFacts | None:
        best = self.answer.best
        if best is None or self.surrogate is None:
            return None
        return ablations.of_study(self.history, best, self.surrogate)

    @cached_property
    def workers(self) -> working.WorkersFacts:
        return working.of_study(self.history)

    @cached_property
    def failures(self) -> list[failed.FailureGroup]:
        return failed.of_study(self.history)

    @cached_property
    def environment(self) -> environments.EnvironmentFacts:
        return environments.of_study(self.history)
