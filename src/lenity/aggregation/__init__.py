"""Rules that turn K advantages into one; one rule a file."""

from lenity.aggregation.base import RULES, AdvantageRule
from lenity.aggregation.lenient import PLC
from lenity.aggregation.linear import Linear

__all__ = ["PLC", "RULES", "AdvantageRule", "Linear"]
