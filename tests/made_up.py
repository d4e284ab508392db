"""Evaluated run folders with made-up scores."""

import json

import numpy as np
import pandas as pd
import yaml


def write_run(folder, method, weights, shift, prompts=30, held_out=()):
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    rows = []
    for name in [*weights, *held_out]:
        base = rng.normal(size=prompts)
        gain = shift.get(name, 0) + 0.01 * rng.normal(size=prompts)
        for policy, raw, kl in (("reference", base, 0.0), ("aligned", base + gain, 2.0)):
            rows += [
                {
                    "method": method, "weights": json.dumps(weights), "seed": 0, "policy": policy, "prompt_id": f"p{i:03}",
                    "prompt": f"\n\nHuman: {i}\n\nAssistant:", "response": "<b>rude</b>", "objective": name, "held_out": name in held_out,
                    "raw": raw[i], "standardised": raw[i] * 2, "response_tokens": 3, "finished": True, "kl": kl,
                }
                for i in range(prompts)
            ]  # fmt: skip
    pd.DataFrame(rows).to_parquet(folder / "evaluation.parquet", index=False)
    config = {
        "iterations": 5,
        "rollout": {"batch_size": 8, "max_new_tokens": 4},
        "rewards": {n: {"kind": "function"} for n in weights},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    row = {
        "reward": dict.fromkeys(weights, 0.5),
        "kl": 1.0,
        "conflict_rate": 0.3,
        "mask_mean": dict.fromkeys(weights, 0.9),
    }
    (folder / "metrics.jsonl").write_text("".join(json.dumps({"iteration": i, **row}) + "\n" for i in range(5)))
