"""Small models with random weights of families that do something of their own to logits, or remember in their own way."""

from __future__ import annotations

import torch
from transformers import AutoModelForCausalLM
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

COMMON = {
    "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2,
    "max_position_embeddings": 128,
}  # fmt: skip
MAMBA = {"mamba_n_heads": 2, "mamba_d_head": 16, "mamba_d_state": 4, "mamba_n_groups": 1, "mamba_chunk_size": 8}
GEMMA = COMMON | {"head_dim": 8, "final_logit_softcapping": 1.5}
VISION = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 14,
}
BART = {
    "d_model": 16,
    "decoder_layers": 2,
    "decoder_attention_heads": 2,
    "decoder_ffn_dim": 32,
    "max_position_embeddings": 128,
}
FAMILIES = {
    "llama": COMMON,
    "gpt2": {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 128},
    "bloom": {"hidden_size": 16, "n_layer": 2, "n_head": 2},
    "opt": {
        "hidden_size": 32, "word_embed_proj_dim": 16, "do_layer_norm_before": False, "ffn_dim": 32, "num_hidden_layers": 2,
        "num_attention_heads": 2, "max_position_embeddings": 128,
    },
    "gemma2": GEMMA,
    "gemma3": {"text_config": GEMMA, "vision_config": VISION, "mm_tokens_per_image": 4},
    "vaultgemma": GEMMA,
    "nanochat": COMMON | {"final_logit_softcapping": 1.5},
    "recurrent_gemma": COMMON | {"num_hidden_layers": 3, "lru_width": 16, "attention_window_size": 32, "logits_soft_cap": 1.5},
    "xlstm": {"hidden_size": 128, "num_heads": 2, "num_hidden_layers": 2, "chunk_size": 16, "output_logit_soft_cap": 1.5},
    "cohere": COMMON | {"logit_scale": 0.3},
    "granite": COMMON | {"logits_scaling": 3.0},
    "falcon_h1": COMMON | MAMBA | {"head_dim": 8, "mamba_d_ssm": 32, "lm_head_multiplier": 0.4},
    "bamba": COMMON | MAMBA | {"attn_layer_indices": [1]},
    "jamba": COMMON | {"attn_layer_period": 2, "attn_layer_offset": 1, "num_experts": 2, "mamba_d_state": 4},
    "mamba": {"hidden_size": 16, "num_hidden_layers": 2, "state_size": 4},
    "rwkv": {"hidden_size": 16, "num_hidden_layers": 2, "context_length": 128},
    "lfm2": COMMON | {"layer_types": ["conv", "full_attention"]},
    "bart": BART,
    "mpt": {"d_model": 16, "n_heads": 2, "n_layers": 2, "max_seq_len": 128},
    "roberta": COMMON | {"is_decoder": True},
}  # fmt: skip


def build(family, tokenizer):
    """A causal model over the tokenizer's words, whose logits are large enough for caps to show."""
    special = {name: getattr(tokenizer, name) for name in ("pad_token_id", "bos_token_id", "eos_token_id")}
    fields, words = dict(FAMILIES[family]), {"vocab_size": len(tokenizer)}
    if "text_config" in fields:
        fields["text_config"] = fields["text_config"] | words | special
        words = {}
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(CONFIG_MAPPING[family](**fields | words | special)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(4)
    return model


def save(family, folder, tokenizer):
    """``build`` in a folder, with the tokenizer."""
    build(family, tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
