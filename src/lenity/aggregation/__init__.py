"""Rules that turn K objectives' advantages or gradients into one update."""

from lenity.aggregation.base import RULES, AdvantageRule, GradientRule, Rule
from lenity.aggregation.entropic import Entropic
from lenity.aggregation.gradient import GAPO, MGDA, PGAPO
from lenity.aggregation.lenient import Lenient
from lenity.aggregation.linear import Linear
from lenity.aggregation.plc import PLC
from lenity.aggregation.tchebycheff import Tchebycheff

__all__ = [
    "GAPO", "MGDA", "PGAPO", "PLC", "RULES", "AdvantageRule", "Entropic", "GradientRule", "Lenient", "Linear", "Rule",
    "Tchebycheff",
]  # fmt: skip
