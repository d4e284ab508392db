"""``import lenity`` gives every name, and loads nothing heavy until one is used."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import lenity

HEAVY = ("torch", "transformers", "pandas", "pydantic", "numpy", "yaml")


def test_the_import_loads_nothing_heavy_and_dir_knows_every_name():
    code = f"import lenity, sys; dir(lenity); print([name for name in {HEAVY} if name in sys.modules], set(lenity.__all__) <= set(dir(lenity)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[] True"


@pytest.mark.parametrize("name", lenity.__all__)
def test_every_name_is_there_and_says_what_it_is(name):
    found = getattr(lenity, name)
    text = inspect.getdoc(found)
    assert text and len(text.split()) > 3, name


def test_names_of_the_specification():
    assert lenity.advantages.gae and lenity.integrations.PLCGRPOTrainer
    names = ("hypervolume", "igd", "igd_plus", "maximum_spread", "preference_compliance", "nondominated")
    assert all(callable(getattr(lenity.pareto, name)) for name in names)
    assert issubclass(lenity.LenityError, Exception) and lenity.PLC().temperature == 0.1


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Trianer'"):
        lenity.Trianer  # noqa: B018


def test_sweep_is_a_folder_and_a_function_in_either_order():
    code = "import lenity.sweep.plan, lenity\nassert callable(lenity.sweep)\nfrom lenity.sweep.plan import plan\nfrom lenity import sweep\n"
    code += "try:\n    sweep(None)\nexcept lenity.LenityError as error:\n    print(error)"
    found = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert found.strip() == "trainer is NoneType. Give a lenity.Trainer."
