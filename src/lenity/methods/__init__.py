"""Recipes for policies at weights w: the loop with a rule, soups of other runs, scores in the prompt; ``train`` runs any of them."""

from lenity.methods.building import Built, train
from lenity.methods.loop import Loop
from lenity.runs.method import METHODS, Method
from lenity.runs.work import Work

__all__ = ["METHODS", "Built", "Loop", "Method", "Work", "train"]
