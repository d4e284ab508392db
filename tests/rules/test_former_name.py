"""Plug-ins written for an earlier version import ``lenity.aggregation``."""

from __future__ import annotations

import subprocess
import sys

PLUG_IN = """
from lenity.aggregation import PLC
from lenity.aggregation.base import RULES, AdvantageRule
from lenity.aggregation.plc import PLC as Same
import lenity.aggregation.lenient
import lenity.rules.base, lenity.rules.plc
assert RULES is lenity.rules.base.RULES and PLC is Same is lenity.rules.plc.PLC
assert AdvantageRule is lenity.rules.base.AdvantageRule
"""


def test_the_former_name_gives_the_same_modules_with_a_warning():
    found = subprocess.run([sys.executable, "-c", PLUG_IN], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert found.stderr.count("FutureWarning: lenity.aggregation is lenity.rules now") == 1
