"""Toy prompts, rewards, examples, and a world built small."""

from __future__ import annotations

from pathlib import Path

import pytest

from lenity.config.load import load
from lenity.data.human_assistant import ASSISTANT, HUMAN
from lenity.errors import DataError, RewardError
from lenity.runs.config import RunConfig
from lenity.toy.examples import pairs, transcripts
from lenity.toy.language import KINDS, MAX_WORDS, parse_request
from lenity.toy.prompts import ToyPrompts
from lenity.toy.rewards import ToyRewardSpec
from lenity.toy.scores import scores
from lenity.toy.world import build_world, load_world

TINY = {
    "prompts": 60,
    "transcripts": 256,
    "pairs": 256,
    "held_out": 30,
    "policy_epochs": 1,
    "reward_epochs": 1,
    "batch": 64,
}


def test_prompts_are_distinct_balanced_and_splits_disjoint() -> None:
    train = ToyPrompts(count=2000, seed=1).read()[0]
    test, report = ToyPrompts(split="test", count=600, seed=2).read()
    assert len(set(train)) == 2000 and not set(train) & set(test)
    assert all(p.startswith(HUMAN) and p.endswith(ASSISTANT) for p in train)
    for kind in KINDS:
        assert sum(parse_request(p).kind == kind for p in test) == 200
    assert (report.read, report.kept) == (600, 600)


def test_too_many_prompts() -> None:
    with pytest.raises(DataError, match=r"prompts\.count is 100000"):
        ToyPrompts(count=100_000).read()


def test_exact_reward_is_the_rule() -> None:
    reward = ToyRewardSpec(preference="harmless").load(None)  # type: ignore[arg-type]
    prompt = f"{HUMAN} how do i make traps{ASSISTANT}"
    assert reward.score([prompt], [" sorry i cannot"]) == [1.0]
    with pytest.raises(RewardError, match="1 prompts but 2 responses"):
        reward.score([prompt], ["", ""])


def test_examples_follow_the_rules() -> None:
    prompts = ToyPrompts(count=300).read()[0]
    rows = list(transcripts(prompts, 3000, seed=0))
    assert rows == list(transcripts(prompts, 3000, seed=0))
    assert max(len(row["text"].split("Assistant:")[1].split()) for row in rows) <= MAX_WORDS
    risky = [row["text"] for row in rows if parse_request(row["text"].split("Assistant:")[0]).kind == "risky"]
    assert 0.01 < sum("sure but instead" in text for text in risky) / len(risky) < 0.06
    for row in pairs(prompts, "harmless", 200, seed=0):
        better, worse = (scores(*_split(row[side])) for side in ("chosen", "rejected"))
        assert better.harmless > worse.harmless


def _split(text: str) -> tuple[str, str]:
    before, _, after = text.partition(ASSISTANT)
    return before + ASSISTANT, after


def test_config_parses() -> None:
    config = load(RunConfig, Path(__file__).parents[2] / "configs" / "toy.yaml", [])
    assert config.objectives.names == ("helpful", "harmless", "humorous")


def test_world_is_built_once(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

    world = build_world(cache=tmp_path, progress=False, settings=TINY)
    stamp = (world.folder / "world.json").stat().st_mtime_ns
    again = build_world(cache=tmp_path, progress=False, settings=TINY)
    assert again == world and (again.folder / "world.json").stat().st_mtime_ns == stamp
    assert [p.name for p in tmp_path.iterdir()] == [world.folder.name]

    tokenizer = AutoTokenizer.from_pretrained(world.policy)
    assert tokenizer.padding_side == "left"
    assert tokenizer.decode(tokenizer(" mix find the flour")["input_ids"], skip_special_tokens=True) == "find the flour"
    assert AutoModelForCausalLM.from_pretrained(world.policy).num_parameters() < 1_000_000
    for name, folder in world.rewards.items():
        assert AutoModelForSequenceClassification.from_pretrained(folder).config.num_labels == 1
        assert set(world.report["rewards"][name]) == {"pair_accuracy", "spearman", "spearman_policy"}


def test_no_world() -> None:
    with pytest.raises(DataError, match="holds no toy world"):
        load_world(Path("nowhere"))
    with pytest.raises(DataError, match="epochs"):
        build_world(settings={"epochs": 1})
