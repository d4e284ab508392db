"""What is refused, or left out, before anything is drawn."""

import shutil

import pytest

from lenity.errors import CheckpointError, ProtocolError
from lenity.evaluation.protocol import Prompts, Protocol
from lenity.report.evidence import gather

MADE = Protocol(prompts=Prompts(count=30, sha256="x"), decoding={"top_p": 0.9}, rewards={}, standardisation={})


def test_the_protocol_of_the_folder_must_be_that_of_its_runs(sweep):
    for file in sweep.rglob("config.yaml"):
        MADE.save(file.parent)
    MADE.save(sweep)
    assert gather(sweep).protocol == MADE
    MADE.model_copy(update={"decoding": {"top_p": 1.0}}).save(sweep)
    with pytest.raises(ProtocolError, match=r"protocol.yaml and .*a.*protocol.yaml differ in decoding.top_p: 1.0 and"):
        gather(sweep)


def test_a_run_that_is_there_twice_is_refused(sweep):
    shutil.copytree(sweep / "runs" / "plc" / "a1", sweep / "runs" / "plc" / "a1_seed0")
    with pytest.raises(CheckpointError, match=r"a1' and '.*a1_seed0' are both plc · a1 with seed 0; move one"):
        gather(sweep)
