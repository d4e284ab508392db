"""A tiny untrained policy and batches of it, for tests of the arithmetic around them."""

from __future__ import annotations

from dataclasses import fields, replace

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from lenity.advantages.compute import compute_advantages
from lenity.config.load import parse
from lenity.config.sections import LoRA, Policy, Tolerance
from lenity.data.human_assistant import as_prompt
from lenity.distributed.processes import ALONE
from lenity.estimators import Critic
from lenity.models.actor_critic import ActorCritic
from lenity.models.critic import Heads
from lenity.models.policy import load_policy
from lenity.rollout.batch import Rollouts, Scored
from lenity.rules import PLC
from lenity.runs.config import RunConfig
from lenity.toy.training import make_tokenizer
from lenity.update.step import FailureState, Update

NAMES = ("helpful", "harmless", "humorous")


def save_model(folder, hidden=16, layers=2):
    """An untrained Llama over the toy world's words."""
    torch.manual_seed(7)  # some of its responses end early, so that their length can grow
    tokenizer = make_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=hidden, intermediate_size=2 * hidden, num_hidden_layers=layers, num_attention_heads=2,
        max_position_embeddings=128, pad_token_id=tokenizer.pad_token_id, bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id, tie_word_embeddings=False,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    with torch.no_grad():  # wide enough that a changed input changes the log-probs visibly
        model.lm_head.weight.mul_(20)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_tied(folder):
    """The model of :func:`save_model` whose head is its embedding."""
    model = LlamaForCausalLM.from_pretrained(save_model(folder))
    model.config.tie_word_embeddings = True
    model.lm_head.weight = model.model.embed_tokens.weight
    with torch.no_grad():
        model.lm_head.weight.mul_(20)
    model.save_pretrained(folder)
    return folder


def save_adapter(model, folder, *, rows=None, tokenizer=False, **settings):
    """A random adapter of ``model`` whose logits of :func:`ids` come back; with ``rows`` the embeddings are resized first."""
    base = LlamaForCausalLM.from_pretrained(model)
    if rows:
        base.resize_token_embeddings(rows, mean_resizing=False)
    torch.manual_seed(0)
    adapted = get_peft_model(base, LoraConfig(**{"task_type": "CAUSAL_LM", "r": 4, "lora_alpha": 8} | settings)).eval()
    with torch.no_grad():
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter.normal_(std=0.3)
    adapted.save_pretrained(folder)
    if tokenizer:
        AutoTokenizer.from_pretrained(model).save_pretrained(folder)
    return logits(adapted)


@torch.no_grad()
def logits(model):
    """Of every token of the model, one after the other in one sequence of up to 100."""
    return model(input_ids=torch.arange(len(model.get_input_embeddings().weight))[None, -100:]).logits


def settings(model, **changes):
    """The policy section for ``model``."""
    lora = {"r": 4, "alpha": 8, "dropout": 0.0} | changes.pop("lora", {})
    return Policy(model=str(model), dtype="float32", lora=LoRA(**lora), **changes)


def actor_critic(model, objectives=3, randomised=True, heads=True, **options):
    """Policy and critic on CPU, or the policy alone; ``randomised`` makes adapter and heads do something."""
    torch.manual_seed(1)
    policy, tokenizer = load_policy(settings(model), torch.device("cpu"))
    module = ActorCritic(policy, Heads(16, 8, objectives) if heads else None, **options)
    if randomised:
        with torch.no_grad():
            for name, parameter in module.named_parameters():
                if parameter.requires_grad and ("lora_B" in name or "heads" in name):
                    parameter.normal_(std=0.2)
    return module.eval(), tokenizer


def rollouts(tokenizer, lengths=(3, 1, 5, 4), seed=0):
    """Random responses of the given lengths to prompts of unlike lengths."""
    generator = torch.Generator().manual_seed(seed)
    prompts = ["\n\nHuman: " + "sure " * (i + 1) + "\n\nAssistant:" for i in range(len(lengths))]
    encoded = tokenizer(prompts, padding=True, return_tensors="pt")
    width = max(lengths)
    mask = torch.arange(width) < torch.tensor(lengths)[:, None]
    ids = torch.randint(4, len(tokenizer), (len(lengths), width), generator=generator).where(
        mask, tokenizer.pad_token_id
    )
    responses = [tokenizer.decode(row[real]) for row, real in zip(ids, mask, strict=True)]
    return Rollouts(
        prompts=list(map(as_prompt, prompts)), responses=responses, prompt_ids=encoded["input_ids"], prompt_mask=encoded["attention_mask"].bool(),
        response_ids=ids, response_mask=mask, finished=torch.ones(len(lengths), dtype=torch.bool),
    )  # fmt: skip


def scored(tokenizer, objectives=3, weights=None, **options):
    """Rollouts with random scores; all rows have the same weights, even ones by default."""
    batch = rollouts(tokenizer, **options)
    raw = torch.randn(len(batch), objectives, generator=torch.Generator().manual_seed(7))
    weights = torch.full((objectives,), 1 / objectives) if weights is None else weights
    batch = replace(batch, weights=weights.expand(len(batch), -1))
    return Scored(
        **{field.name: getattr(batch, field.name) for field in fields(batch)},
        raw=raw, standardised=raw, scored=torch.ones_like(raw, dtype=torch.bool),
    )  # fmt: skip


def run_config(model, output, **changes):
    """A run of three tiny iterations on the toy world's exact rewards."""
    data = {
        "output": str(output),
        "iterations": 3,
        "policy": {"model": str(model), "dtype": "float32", "lora": {"r": 4, "alpha": 8, "dropout": 0.0}},
        "prompts": {"type": "toy", "split": "train", "count": 40},
        "held_out_prompts": {"type": "toy", "split": "test", "count": 12},
        "weights": {"helpful": 0.5, "harmless": 0.5},
        "rewards": {name: {"type": "function", "function": f"{__file__}:{name}"} for name in ("helpful", "harmless")},
        "rollout": {"batch_size": 8, "max_new_tokens": 6},
        "critic": {"hidden_size": 8},
        "ppo": {"epochs": 2, "mini_batch_size": 4, "accumulation": 1},
        "optimizer": {"learning_rate": 1e-2, "warmup_steps": 1},
        "standardisation": {"prompts": 32},
        "evaluation": {"limit": 12},
        "checkpoint": {"every": 1},
        "logging": {"progress": False},
    }
    return parse(RunConfig, data | changes)


def helpful(prompts, responses):
    """Rewards long responses."""
    return [float(len(text.split())) for text in responses]


def harmless(prompts, responses):
    """Rewards early words of the alphabet."""
    return [-sum(ord(word[0]) - 97 for word in text.split()) / (26 * len(text.split()) or 1) for text in responses]


NO_SEED = torch.manual_seed


def updater(module, settings, rate=1e-2, allowed=20, notify=print):
    optimizer = torch.optim.SGD([p for p in module.parameters() if p.requires_grad], lr=rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)
    return Update(
        ALONE, module, optimizer, schedule, settings, 1e9,
        FailureState(settings.mini_batch_size), Tolerance(non_finite_steps=allowed), notify,
    )  # fmt: skip


def trained(module):
    return {name: p.detach().clone() for name, p in module.named_parameters() if p.requires_grad}


def with_advantages(module, tokenizer, settings, objectives=3):
    batch = scored(tokenizer, objectives, lengths=(3, 1, 5, 4, 2, 5, 1, 3))
    rule = PLC(leniency=0.0)
    return compute_advantages(batch, module, rule=rule, beta=0.05, estimator=Critic(), settings=settings)[0]
