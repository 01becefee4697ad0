"""A study's plots in Python: figures of plotly, as `autotune plot` draws them."""

from typing import TYPE_CHECKING

from autotune.study.history import History

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

__all__ = ["Plots"]


class Plots:
    """Each answers a plotly Figure, and raises UserError where the study has nothing to show."""

    @property
    def _history(self) -> History:
        raise NotImplementedError

    def plot_history(self, metric: str | None = None) -> "Figure":
        """Each trial's score by its number, and the best so far. `metric`: another reported one."""
        return self._plot("history", metric)

    def plot_curves(self, metric: str | None = None) -> "Figure":
        """The learning curves, and where trials were stopped. `metric`: another reported one."""
        return self._plot("curves", metric)

    def plot_importance(self) -> "Figure":
        """PED-ANOVA's importance of each parameter, and the limit of luck."""
        return self._plot("importance")

    def plot_slices(self, parameter: str = "") -> "Figure":
        """Scores over one parameter, the most important one if not given."""
        return self._plot("slices", title=parameter)

    def plot_parallel(self) -> "Figure":
        """A line a trial, through its parameters' values to the rank of its score."""
        return self._plot("parallel")

    def plot_contour(self) -> "Figure":
        """The model's prediction over the two parameters that matter most."""
        return self._plot("contour")

    def plot_ablation(self) -> "Figure":
        """The path from the default configuration to the winner, by the model."""
        return self._plot("ablation")

    def plot_pareto(self) -> "Figure":
        """Of several objectives: the second against the first, with the Pareto front."""
        return self._plot("pareto")

    def plot_timeline(self) -> "Figure":
        """Who worked when."""
        return self._plot("timeline")

    def plot_failures(self) -> "Figure":
        """Failed trials by their reason."""
        return self._plot("failures")

    def _plot(self, kind: str, metric: str | None = None, title: str = "") -> "Figure":
        from autotune.report import plots

        return plots.figure(self._history, kind, metric, title)
