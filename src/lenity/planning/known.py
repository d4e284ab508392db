"""Sizes of well-known models, so that planning them needs no network. Source: each model's config.json on huggingface.co."""

from __future__ import annotations

# hidden, intermediate, layers, heads, kv_heads, head_dim, vocabulary, tied, biased
DECODERS: dict[str, tuple[int, int, int, int, int, int, int, bool, bool]] = {
    "meta-llama/Llama-3.2-1B": (2048, 8192, 16, 32, 8, 64, 128256, True, False),
    "meta-llama/Llama-3.2-3B": (3072, 8192, 28, 24, 8, 128, 128256, True, False),
    "meta-llama/Llama-3.1-8B": (4096, 14336, 32, 32, 8, 128, 128256, False, False),
    "meta-llama/Llama-3.1-70B": (8192, 28672, 80, 64, 8, 128, 128256, False, False),
    "meta-llama/Llama-3.1-405B": (16384, 53248, 126, 128, 8, 128, 128256, False, False),
    "mistralai/Mistral-7B-v0.3": (4096, 14336, 32, 32, 8, 128, 32768, False, False),
    "Qwen/Qwen2.5-0.5B": (896, 4864, 24, 14, 2, 64, 151936, True, True),
    "Qwen/Qwen2.5-1.5B": (1536, 8960, 28, 12, 2, 128, 151936, True, True),
    "Qwen/Qwen2.5-3B": (2048, 11008, 36, 16, 2, 128, 151936, True, True),
    "Qwen/Qwen2.5-7B": (3584, 18944, 28, 28, 4, 128, 152064, False, True),
    "Qwen/Qwen2.5-14B": (5120, 13824, 48, 40, 8, 128, 152064, False, True),
    "Qwen/Qwen2.5-32B": (5120, 27648, 64, 40, 8, 128, 152064, False, True),
    "Qwen/Qwen2.5-72B": (8192, 29568, 80, 64, 8, 128, 152064, False, True),
}

# number of parameters and width of the presets' reward models
REWARD_MODELS: dict[str, tuple[int, int]] = {
    "Ray2333/gpt2-large-harmless-reward_model": (774_031_360, 1280),
    "Ray2333/gpt2-large-helpful-reward_model": (774_031_360, 1280),
    "mohameddhiab/humor-no-humor": (66_955_010, 768),
}
