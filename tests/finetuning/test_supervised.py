"""Supervised fine-tuning: what the loss is on, and that it falls."""

from __future__ import annotations

import json

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from lenity.config.load import parse
from lenity.config.stages import SFTConfig
from lenity.errors import ConfigError, DataError, NumericalError
from lenity.finetuning import supervised as sft
from lenity.toy.training import make_tokenizer

TEXT = "\n\nHuman: sure but\n\nAssistant: like ducks\n\nHuman: sorry\n\nAssistant: find a guide"
SMALL = {"hidden_size": 16, "layers": 1, "heads": 2, "vocab_size": 300, "max_position_embeddings": 64}


def config(folder, rows, **changes):
    (folder / "rows.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in rows))
    data = {
        "output": str(folder / "out"),
        "model": SMALL,
        "data": {"dataset": str(folder / "rows.jsonl")},
        "progress": False,
    }
    return parse(SFTConfig, data | changes)


def test_the_loss_is_on_assistant_turns_and_their_ends():
    tokenizer = make_tokenizer()
    row = sft.encode([TEXT], tokenizer, 64)[0]
    shown = [tokenizer.decode([label]) if label != sft.IGNORED else "." for label in row["labels"]]
    assert shown == [*"....", "like", "ducks", "<eos>", *"..", "find", "a", "guide", "<eos>"]
    assert tokenizer.decode(row["input_ids"]) == " ".join(TEXT.split()) + " <eos>"


def test_a_long_transcript_keeps_the_turns_that_fit():
    tokenizer = make_tokenizer()
    row = sft.encode([TEXT], tokenizer, 8)[0]
    assert tokenizer.decode(row["input_ids"]).endswith("like ducks <eos>")
    assert len(row["input_ids"]) <= 8


def test_from_scratch_the_loss_falls_and_the_folder_loads(tmp_path):
    rows = [TEXT, TEXT.replace("ducks", "goats")] * 16
    held_out = [TEXT.replace("sure but", "sure sure but"), f"{TEXT} ", TEXT]  # the last two are trained on
    (tmp_path / "held_out.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in held_out))
    report = sft.run(
        config(
            tmp_path,
            rows,
            epochs=20,
            batch_size=8,
            learning_rate=2e-2,
            eval_data={"dataset": str(tmp_path / "held_out.jsonl")},
        )
    )
    assert (report["eval_rows"], report["eval_rows_trained_on"]) == (1, 2)
    assert report["eval_loss"] < 0.7 * report["train_loss"]
    model, tokenizer = (kind.from_pretrained(tmp_path / "out") for kind in (AutoModelForCausalLM, AutoTokenizer))
    assert model.get_input_embeddings().weight.shape[0] == len(tokenizer) <= 300
    assert json.loads((tmp_path / "out" / "report.json").read_text())["rows"] == 32


def test_an_adapter_is_merged(tmp_path, tiny_model):
    import torch

    report = sft.run(config(tmp_path, [TEXT] * 8, model=str(tiny_model), lora={"r": 4, "alpha": 8}, learning_rate=1e-2))
    before, after = (AutoModelForCausalLM.from_pretrained(place) for place in (tiny_model, tmp_path / "out"))
    changed = {name for name, p in after.named_parameters() if not torch.equal(p, before.get_parameter(name))}
    assert report["steps"] == 1 and changed and all("proj" in name for name in changed)


@pytest.mark.parametrize(
    ("rows", "message"),
    [([], "empty|cannot load"), (["no dialogue at all"], "no usable row is left"), ([" "], "no row .* has text")],
)
def test_bad_data_is_explained(tmp_path, rows, message):
    with pytest.raises(DataError, match=message):
        sft.run(config(tmp_path, rows))


def test_an_unknown_field_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="Did you mean 'epochs'"):
        config(tmp_path, [TEXT], epoch=2)


def broken(monkeypatch, steps):
    """The loss of these steps is infinite."""
    from trl import SFTTrainer

    plain, calls = SFTTrainer.compute_loss, iter(range(1000))

    def loss(self, *arguments, **options):
        found = plain(self, *arguments, **options)
        return found * float("inf") if next(calls) in steps else found

    monkeypatch.setattr(SFTTrainer, "compute_loss", loss)


def test_a_loss_that_is_not_finite_does_not_reach_the_weights(tmp_path, monkeypatch):
    broken(monkeypatch, {1, 3})
    report = sft.run(config(tmp_path, [TEXT] * 16, epochs=3, batch_size=8))
    assert report["non_finite_steps"] == 2 and report["steps"] == 6
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert all(bool(value.isfinite().all()) for value in model.state_dict().values())


def test_too_many_such_losses_stop_the_training(tmp_path, monkeypatch):
    broken(monkeypatch, {1, 3})
    with pytest.raises(NumericalError, match=r"2 optimizer steps were not finite.*such as model\."):
        sft.run(config(tmp_path, [TEXT] * 16, epochs=3, batch_size=8, non_finite_steps=1))
    assert not (tmp_path / "out" / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("split", "kind", "message"),
    [
        ("train", DataError, "eval_data: all of the 4 are among the training data"),
        ("test", ConfigError, "eval_data.split is 'test' and data.split 'train', but '.*rows.jsonl' is one file"),
    ],
)
def test_a_held_out_loss_on_the_training_rows_is_refused(tmp_path, split, kind, message):
    own = {"dataset": str(tmp_path / "rows.jsonl"), "split": split}
    with pytest.raises(kind, match=message):
        sft.run(config(tmp_path, [TEXT] * 4, eval_data=own))


def test_slices_of_one_file_are_disjoint(tmp_path):
    rows = [TEXT.replace("ducks", word) for word in ("ducks", "goats", "cats", "dogs", "birds")]
    own = {"dataset": str(tmp_path / "rows.jsonl")}
    halves = {"data": own | {"split": "train[:80%]"}, "eval_data": own | {"split": "train[80%:]"}}
    report = sft.run(config(tmp_path, rows, **halves))
    assert (report["rows"], report["eval_rows"], report["eval_rows_trained_on"]) == (4, 1, 0)
