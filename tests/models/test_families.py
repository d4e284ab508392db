"""Log-probs and answers of families that cap, scale, project or remember in their own ways, against one row at a time."""

from __future__ import annotations

import math

import pytest
import torch
from peft import LoraConfig, get_peft_model

import families
import tiny
from lenity.errors import EngineError, ModelError
from lenity.models import probe
from lenity.models.actor_critic import ActorCritic, check_head
from lenity.models.critic import Heads
from lenity.models.logits import backbone_of, logits_of
from lenity.rollout.batch import Rollouts
from lenity.rollout.draws import Draws
from lenity.rollout.transformers import TransformersGenerator
from lenity.toy.training import make_tokenizer

BATCHING = {"rwkv": "single", "bart": "equal", "xlstm": "equal"}
CAUSAL = sorted(families.FAMILIES)
PROMPTS = ["\n\nHuman: " + "sure " * n + "\n\nAssistant:" for n in (1, 9, 2, 1, 5)]


def policy_of(model):
    """With an adapter that does something."""
    torch.manual_seed(3)
    linear = [name for name, part in model.named_modules() if isinstance(part, torch.nn.Linear)]
    targets = [name for name in linear if not name.endswith(("out_proj", "head"))]
    policy = get_peft_model(model, LoraConfig(r=2, target_modules=targets or ["c_attn"], task_type="CAUSAL_LM")).eval()
    with torch.no_grad():
        for name, parameter in policy.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.2)
    return policy


def row_logits(model, ids):
    return model(input_ids=ids[None], attention_mask=torch.ones_like(ids)[None]).logits[0].float()


@pytest.fixture(scope="module")
def tokenizer():
    made = make_tokenizer()
    made.model_max_length = 128
    return made


@pytest.mark.parametrize("family", CAUSAL)
@torch.no_grad()
def test_log_probs_are_the_models_own_one_row_at_a_time(family, tokenizer):
    policy = policy_of(families.build(family, tokenizer))
    assert check_head(policy) == 0
    width = probe.width_of(backbone_of(policy.get_base_model()))
    module, batch = ActorCritic(policy, Heads(width, 8, 2)).eval(), tiny.rollouts(tokenizer)
    outputs = module(**batch.inputs)
    assert outputs.values.shape == (*batch.response_mask.shape, 2)
    for row in range(len(batch)):
        prompt = batch.prompt_ids[row][batch.prompt_mask[row]]
        answer = batch.response_ids[row][batch.response_mask[row]]
        own = row_logits(policy, torch.cat([prompt, answer]))[len(prompt) - 1 : -1].log_softmax(-1)
        wanted = own.gather(1, answer[:, None])[:, 0]
        torch.testing.assert_close(outputs.logprobs[row, : len(answer)], wanted, rtol=0, atol=2e-5)


@pytest.mark.parametrize(
    ("family", "formula"),
    [
        ("gemma2", lambda x: 1.5 * math.tanh(x / 1.5)), ("vaultgemma", lambda x: 1.5 * math.tanh(x / 1.5)),
        ("recurrent_gemma", lambda x: 1.5 * math.tanh(x / 1.5)), ("xlstm", lambda x: 1.5 * math.tanh(x / 1.5)),
        ("cohere", lambda x: 0.3 * x), ("granite", lambda x: x / 3), ("falcon_h1", lambda x: 0.4 * x), ("llama", lambda x: x),
    ],
)  # fmt: skip
@torch.no_grad()
def test_states_of_any_size_are_capped_and_scaled_as_the_family_says(family, formula, tokenizer):
    model = families.build(family, tokenizer)
    width = probe.width_of(backbone_of(model))
    for size in (0.1, 10.0, 1000.0):
        states = size * torch.randn(3, width, generator=torch.Generator().manual_seed(0))
        plain = states @ model.get_output_embeddings().weight.T
        wanted = torch.tensor([[formula(value) for value in row] for row in plain.tolist()])
        torch.testing.assert_close(logits_of(model, states), wanted, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_a_cap_that_only_the_forward_pass_knows_is_applied(tokenizer):
    model = families.build("llama", tokenizer)
    plain = model.forward

    def forward(**given):
        found = plain(**given)
        found.logits = 0.7 * (found.logits / 0.7).tanh()
        return found

    model.forward = forward
    ids = torch.tensor([5, 9, 30, 7])
    assert torch.equal(
        logits_of(model, backbone_of(model)(input_ids=ids[None]).last_hidden_state[0]), row_logits(model, ids)
    )
    assert check_head(policy_of(model)) == 0


def test_a_model_whose_tokens_see_what_follows_is_refused(tokenizer):
    policy = policy_of(families.build("llama", tokenizer))
    for layer in policy.get_base_model().model.layers:
        layer.self_attn.is_causal = False
    with pytest.raises(ModelError, match=r"the log-probs of LlamaForCausalLM depend on the tokens that follow"):
        check_head(policy)


@pytest.mark.parametrize("family", CAUSAL)
@torch.no_grad()
def test_an_answer_is_the_same_alone_and_among_others(family, tokenizer):
    """Also where rows end early and leave the batch."""
    model = families.build(family, tokenizer)
    generator = TransformersGenerator(model, tokenizer, max_new_tokens=8, min_new_tokens=0, stop=("d", "i"))
    torch.manual_seed(5)
    draws = Draws.of(len(PROMPTS), 8)
    together = generator.generate(PROMPTS, draws=draws)
    assert generator.batching() == BATCHING.get(family, "mixed")
    assert [prompt.text for prompt in together.prompts] == PROMPTS
    for row, prompt in enumerate(PROMPTS):
        ids = torch.tensor(tokenizer(prompt)["input_ids"])
        assert together.prompt_ids[row][together.prompt_mask[row]].tolist() == ids.tolist()
        answer = together.response_ids[row][together.response_mask[row]]
        for at, token in enumerate(answer.tolist()):  # the slow twin: the whole text again for each token
            chances = row_logits(model, ids)[-1].double().softmax(-1).cumsum(0)
            assert token == int((chances <= draws.uniform[at, row] * chances[-1]).sum())
            ids = torch.cat([ids, torch.tensor([token])])


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda logits: logits.flip(-1), "LlamaForCausalLM generates token by token from another distribution"),
        (lambda logits: logits[:, 0], r"LlamaForCausalLM cannot generate text \(IndexError: Dimension out of range"),
    ],
)
def test_a_model_that_does_not_generate_what_it_reads_is_refused(tokenizer, broken, message):
    model = families.build("llama", tokenizer)
    plain = model.forward

    def forward(use_cache=False, **given):
        found = plain(use_cache=use_cache, **given)
        found.logits = broken(found.logits) if use_cache else found.logits
        return found

    model.forward = forward
    with pytest.raises(EngineError, match=message):
        TransformersGenerator(model, tokenizer, max_new_tokens=4).generate(PROMPTS)


@pytest.mark.parametrize("family", ["llama", "jamba", "rwkv"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_probes_use_no_random_numbers_and_leave_modes_as_they_are(family, dtype, tokenizer):
    policy = policy_of(families.build(family, tokenizer).to(dtype))
    policy.get_base_model().get_output_embeddings().train()
    modes, state = [part.training for part in policy.modules()], torch.get_rng_state()
    assert TransformersGenerator(policy, tokenizer, 4).batching() == BATCHING.get(family, "mixed")
    assert modes == [part.training for part in policy.modules()]
    check_head(policy)
    assert torch.equal(torch.get_rng_state(), state)
    assert isinstance(TransformersGenerator(policy, tokenizer, 4).generate(PROMPTS), Rollouts)
