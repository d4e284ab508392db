"""Fronts of policies: metrics, confidence intervals, weight points."""

from lenity.pareto.metrics import hypervolume, igd, igd_plus, maximum_spread, nondominated, preference_compliance

__all__ = ["hypervolume", "igd", "igd_plus", "maximum_spread", "nondominated", "preference_compliance"]
