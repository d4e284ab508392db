"""The memory that the plan derives from the architecture, against what torch's allocator counts in real passes on a CPU."""

from __future__ import annotations

import gc
from dataclasses import replace

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch.profiler import ProfilerActivity, profile
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

import tiny
from lenity.advantages.compute import compute_advantages
from lenity.config.sections import PPO, LoRA
from lenity.data.human_assistant import as_prompt
from lenity.estimators import Critic
from lenity.models.actor_critic import ActorCritic
from lenity.models.critic import Heads, backbone_of
from lenity.models.recompute import recompute
from lenity.planning import memory
from lenity.planning.memory import Model, Numbers, Pass
from lenity.planning.shapes import Shape
from lenity.rollout.batch import Scored
from lenity.rollout.decoding import Sampling, decode
from lenity.rollout.draws import Draws
from lenity.rules import PLC
from lenity.update.step import adapter_dropout_only

CPU = Numbers(4, mask=4)
SMALL = Shape(256, 704, 3, 4, 4, 64, 8192)


def peak(work):
    """Bytes that are allocated during ``work`` beyond what was before, at their most."""
    gc.collect()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as found:
        work()
    events = [event for event in found.profiler.kineto_results.events() if event.name() == "[memory]"]
    now = most = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        now += event.nbytes()
        most = max(most, now)
    return most


def sized(shape):
    sizes = {
        "vocab_size": shape.vocabulary, "hidden_size": shape.hidden, "intermediate_size": shape.intermediate,
        "num_hidden_layers": shape.layers, "num_attention_heads": shape.heads, "num_key_value_heads": shape.kv_heads,
        "max_position_embeddings": 1024, "tie_word_embeddings": shape.tied,
    }  # fmt: skip
    return Qwen2ForCausalLM(Qwen2Config(**sizes)) if shape.biased else LlamaForCausalLM(LlamaConfig(**sizes))


def built(model):
    """The actor-critic that ``model`` describes."""
    torch.manual_seed(0)
    dtype = torch.bfloat16 if model.numbers.mixed else torch.float32
    lora = model.lora
    settings = {
        "r": lora.r,
        "lora_alpha": lora.alpha,
        "lora_dropout": lora.dropout,
        "target_modules": lora.target_modules,
    }
    parts = [get_peft_model(sized(model.shape).to(dtype), LoraConfig(task_type="CAUSAL_LM", **settings))]
    if model.separate:
        parts.append(get_peft_model(backbone_of(sized(model.shape).to(dtype)), LoraConfig(**settings)))
    heads = Heads(model.shape.hidden, model.hidden, model.objectives) if model.critic else None
    module = ActorCritic(parts[0], heads, parts[1] if model.separate else None)
    adapter_dropout_only(module)
    if model.gradient_checkpointing:
        for part in parts:
            recompute(part)
    return module


def inputs(model, batch):
    ids = torch.randint(model.shape.vocabulary, (batch.rows, batch.prompt + batch.response))
    return {
        "prompt_ids": ids[:, : batch.prompt], "prompt_mask": torch.ones(batch.rows, batch.prompt, dtype=torch.bool),
        "response_ids": ids[:, batch.prompt :], "response_mask": torch.ones(batch.rows, batch.response, dtype=torch.bool),
    }  # fmt: skip


def passed(module, given):
    outputs = module(**given)
    (outputs.logprobs.sum() + (outputs.values.sum() if module.heads else 0.0)).backward()


def model(shape=SMALL, numbers=CPU, r=16, dropout=0.0, targets="all-linear", **options):
    return Model(shape, LoRA(r=r, alpha=32, dropout=dropout, target_modules=targets), numbers, 3, **options)


UPDATES = {
    "head fullest": (model(), Pass(8, 64, 64)),
    "layers fullest": (model(Shape(512, 1408, 4, 8, 8, 64, 8192)), Pass(4, 192, 16)),
    "wide": (model(Shape(768, 2048, 2, 12, 12, 64, 8192)), Pass(4, 128, 64)),
    "long": (model(SMALL), Pass(2, 448, 64)),
    "logits in chunks": (model(Shape(256, 704, 3, 4, 4, 64, 32000)), Pass(8, 64, 80)),
    "grouped queries": (model(Shape(256, 704, 3, 4, 2, 64, 8192)), Pass(8, 64, 64)),
    "Qwen2, tied": (model(Shape(256, 704, 3, 4, 2, 64, 8192, True, True)), Pass(8, 64, 64)),
    "dropout": (model(dropout=0.1), Pass(8, 64, 64)),
    "two modules": (model(targets=["q_proj", "v_proj"]), Pass(8, 64, 64)),
    "rank 64": (model(r=64), Pass(8, 64, 64)),
    "bfloat16": (model(numbers=Numbers(2, mask=4)), Pass(8, 64, 64)),
    "bfloat16, dropout": (model(numbers=Numbers(2, mask=4), dropout=0.1), Pass(8, 96, 32)),
    "no critic": (model(critic=False), Pass(8, 64, 64)),
    "no critic, layers fullest": (model(Shape(512, 1408, 4, 8, 8, 64, 8192), critic=False), Pass(4, 192, 16)),
    "separate critic": (model(separate=True), Pass(8, 64, 64)),
    "gradient_checkpointing": (model(Shape(256, 704, 6, 4, 4, 64, 8192), gradient_checkpointing=True), Pass(8, 96, 32)),
    "both": (model(Shape(256, 704, 6, 4, 4, 64, 8192), gradient_checkpointing=True, separate=True), Pass(8, 96, 32)),
}


@pytest.mark.parametrize("name", UPDATES)
def test_an_update_holds_what_the_plan_says(name):
    """Activations and logits alone, without weights: the part that has to be derived."""
    made, batch = UPDATES[name]
    module, given = built(made), inputs(*UPDATES[name])
    passed(module, given)  # the first pass warms caches up
    module.zero_grad()
    gradients = memory.TRAINED["gradients"] * made.trained
    measured = peak(lambda: passed(module, given))
    planned = sum(memory.update(made, batch).values())
    print(f"{name}: measured {measured / 1e6:.1f} MB, planned {planned / 1e6:.1f}, ratio {planned / measured:.3f}")
    assert planned == pytest.approx(measured, rel=0.1), f"gradients of {gradients:,} bytes aside"


@pytest.mark.parametrize("name", ["head fullest", "layers fullest", "logits in chunks", "bfloat16"])
def test_scoring_holds_what_the_plan_says(name):
    made, batch = UPDATES[name]
    module, given = built(made).eval(), inputs(*UPDATES[name])

    @torch.no_grad()
    def score():
        module(**given, entropy=True)

    score()
    measured, planned = peak(score), memory.scoring(made, batch)
    print(f"{name}: measured {measured / 1e6:.1f} MB, planned {planned / 1e6:.1f}, ratio {planned / measured:.3f}")
    assert planned == pytest.approx(measured, rel=0.1)


def test_the_stages_of_a_run_hold_what_the_plan_says():
    """Credit and update as a run calls them, gradients and AdamW's moments included."""
    made, batch = UPDATES["layers fullest"]
    module, ids = built(made), inputs(made, batch)
    raw = torch.randn(batch.rows, made.objectives)
    everyone = torch.ones(batch.rows, dtype=torch.bool)
    scored = Scored(
        prompts=[as_prompt("?")] * batch.rows, responses=["!"] * batch.rows, finished=everyone, raw=raw, standardised=raw,
        scored=torch.ones_like(raw, dtype=torch.bool), weights=torch.full_like(raw, 1 / made.objectives), **ids,
    )  # fmt: skip
    settings = PPO(epochs=1, mini_batch_size=batch.rows, accumulation=1)
    given = {"rule": PLC(), "beta": 0.05, "estimator": Critic(), "settings": settings}
    with_advantages, *_ = compute_advantages(scored, module, **given)
    optimizer = torch.optim.AdamW([p for p in module.parameters() if p.requires_grad], fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)
    step = replace(tiny.updater(module, settings), optimizer=optimizer, schedule=schedule)
    gradients, moments = (memory.TRAINED[part] * made.trained for part in ("gradients", "optimizer"))
    activations = sum(memory.update(made, batch).values())
    found = {
        "advantages": (peak(lambda: compute_advantages(scored, module, **given)), memory.scoring(made, batch)),
        "first update": (peak(lambda: step(with_advantages, tiny.NO_SEED)), max(activations, gradients + moments)),
        "later update": (peak(lambda: step(with_advantages, tiny.NO_SEED)), activations),
    }
    assert sum(s.numel() * 4 for state in step.optimizer.state.values() for s in state.values() if s.dim()) == moments
    for stage, (measured, planned) in found.items():
        assert planned == pytest.approx(measured, rel=0.1), stage


GENERATIONS = {
    "cache fullest": (model(Shape(256, 704, 4, 4, 4, 64, 8192)), Pass(32, 8, 40), 1.0),
    "prompts fullest": (model(Shape(256, 704, 4, 4, 4, 64, 8192)), Pass(8, 128, 8), 1.0),
    "grouped queries": (model(Shape(256, 704, 4, 4, 2, 64, 8192)), Pass(32, 16, 24), 1.0),
    "vocabulary fullest": (model(Shape(256, 704, 4, 4, 4, 64, 32000)), Pass(8, 16, 12), 1.0),
    "nucleus": (model(Shape(256, 704, 4, 4, 4, 64, 32000)), Pass(8, 16, 12), 0.9),
}


class NeverStops:
    found: dict = {}  # noqa: RUF012

    def look(self, rows, answers):
        """No stop strings."""


@pytest.mark.parametrize("name", GENERATIONS)
def test_generation_holds_what_the_plan_says(name):
    made, batch, top_p = GENERATIONS[name]
    policy = built(made).eval().policy
    ids = torch.randint(1, made.shape.vocabulary, (batch.rows, batch.prompt))
    mask = torch.ones_like(ids, dtype=torch.bool)
    mask[0, : batch.prompt // 2] = False
    sampling = Sampling(batch.response, batch.response, 1.0, top_p, (0,), 0)

    @torch.no_grad()
    def generate():
        decode(policy, ids, mask, sampling, NeverStops(), draws=Draws.of(batch.rows, batch.response))

    generate()
    measured, planned = peak(generate), sum(memory.generation(made, batch, nucleus=top_p < 1).values())
    print(f"{name}: measured {measured / 1e6:.1f} MB, planned {planned / 1e6:.1f}, ratio {planned / measured:.3f}")
    assert planned == pytest.approx(measured, rel=0.1)


@pytest.mark.parametrize("critic", [{}, {"separate": True}, {"critic": False}], ids=["shared", "separate", "none"])
def test_weights_are_counted_to_the_last_one(critic):
    made = model(Shape(256, 704, 3, 4, 2, 64, 8192), **critic)
    parameters = list(built(made).named_parameters())
    trained = sum(p.numel() for _, p in parameters if p.requires_grad)
    frozen = sum(p.numel() * p.element_size() for _, p in parameters if not p.requires_grad)
    assert (made.trained, made.frozen) == (trained, frozen)
