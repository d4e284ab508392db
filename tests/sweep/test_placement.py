"""Options of ``lenity sweep`` that say where runs go."""

from __future__ import annotations

import pytest

from lenity.errors import ConfigError
from lenity.sweep.placement import Placement


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"address": "head:6379"}, r"--address is 'head:6379', with --executor local\. .*add --executor ray"),
        ({"executor": "slurm", "address": "head:6379"}, "--address"),
        ({"gpus": 1.0}, r"--gpus-per-run is 1\.0, with --executor local\. .*CUDA_VISIBLE_DEVICES"),
        ({"executor": "slurm", "retries": 2}, "--retries is 2.*Slurm itself"),
        ({"cpus": 0.5}, r"--cpus-per-run is 0\.5, with --executor local\. Give a whole number"),
        ({"executor": "slurm", "gpus": 0.5}, r"--gpus-per-run is 0\.5, with --executor slurm\."),
        ({"executor": "ray", "gpus": 1.5}, r"--gpus-per-run is 1\.5, with --executor ray\. .*such as 0\.5"),
        ({"executor": "ray", "cpus": 2.5}, r"--cpus-per-run is 2\.5"),
    ],
)
def test_options_without_a_meaning_are_refused(options, match):
    with pytest.raises(ConfigError, match=match):
        Placement(**options)


@pytest.mark.parametrize(
    ("options", "threads", "losses"),
    [
        ({}, None, 0),
        ({"cpus": 3.0, "retries": 2}, 3, 2),
        ({"executor": "ray"}, 1, 3),
        ({"executor": "ray", "cpus": 0.5, "gpus": 0.25, "retries": 0}, 1, 0),
        ({"executor": "ray", "cpus": 4.0, "gpus": 2.0}, 4, 3),
        ({"executor": "slurm", "cpus": 8.0, "gpus": 1.0}, 8, 3),
    ],
)
def test_threads_and_retries(options, threads, losses):
    placement = Placement(**options)
    assert placement.threads == threads
    assert placement.executor == "slurm" or placement.losses == losses
