"""Rules, which combine K objectives' advantages or gradients into one update."""

from lenity.rules.base import RULES, AdvantageRule, GradientRule, Rule, rectified
from lenity.rules.entropic import Entropic
from lenity.rules.gradient import GAPO, MGDA, PGAPO
from lenity.rules.lenient import Lenient
from lenity.rules.linear import Linear
from lenity.rules.plc import PLC
from lenity.rules.tchebycheff import Tchebycheff

__all__ = [
    "GAPO", "MGDA", "PGAPO", "PLC", "RULES", "AdvantageRule", "Entropic", "GradientRule", "Lenient", "Linear", "Rule",
    "Tchebycheff", "rectified",
]  # fmt: skip
