"""Evaluated run folders with made-up scores."""

import hashlib
import json

import numpy as np
import pandas as pd
import yaml

from lenity.evaluation.protocol import Prompts, Protocol

WORDS = [
    "sure",
    "here",
    "is",
    "a",
    "thing",
    "that",
    "one",
    "could",
    "do",
    "and",
    "then",
    "more",
    "of",
    "it",
    "until",
    "the",
    "end",
    "of",
    "this",
    "short",
    "story",
    "comes",
]


def write_run(
    folder, method, weights, shift, prompts=30, held_out=(), *, measures=None, seed=0, varied=False, tokens=3, kl=2.0, iterations=5
):  # fmt: skip
    """An evaluated run.

    Args:
        shift: each reward's mean gain.
        measures: the objective of each held-out reward.
        varied: responses differ, scores have noise, prompts are longer, and there is a protocol.
    """
    rng, own = np.random.default_rng(0), np.random.default_rng(_number(method, weights, seed))
    folder.mkdir(parents=True)
    texts = {
        "reference": [_text(np.random.default_rng(i)) if varied else "<b>rude</b>" for i in range(prompts)],
        "aligned": [_text(own) if varied else "<b>rude</b>" for _ in range(prompts)],
    }
    rows = []
    for name in [*weights, *held_out]:
        base = rng.normal(size=prompts)
        gain = shift.get(name, 0) + (0.6 * own.normal(size=prompts) if varied else 0.01 * rng.normal(size=prompts))
        for policy, raw, moved, length in (("reference", base, 0.0, 3), ("aligned", base + gain, kl, tokens)):
            rows += [
                {
                    "method": method, "weights": json.dumps(weights), "seed": seed, "policy": policy, "prompt_id": f"p{i:03}",
                    "prompt": _prompt(i, varied), "response": texts[policy][i], "objective": name, "held_out": name in held_out,
                    "raw": raw[i], "standardised": raw[i] * 2, "response_tokens": length, "finished": True, "kl": moved,
                }
                for i in range(prompts)
            ]  # fmt: skip
    pd.DataFrame(rows).to_parquet(folder / "evaluation.parquet", index=False)
    _write_config(folder, weights, measures)
    _write_metrics(folder, weights, iterations, own if varied else None)
    if varied:
        constants = {name: {"mean": 0.0, "std": 0.5} for name in [*weights, *held_out]}
        rewards = {name: {"type": "function"} for name in constants}
        decoding = {"temperature": 1.0, "top_p": 0.9, "max_new_tokens": 4, "stop": ["\n\nHuman:"], "seed": 1}
        made = Protocol(
            prompts=Prompts(count=prompts, sha256="5" * 64), decoding=decoding, rewards=rewards, standardisation=constants,
            weights=[weights], seeds=[seed],
        )  # fmt: skip
        made.save(folder)


def write_judge(folder, gain, missing=()):
    """Scores from 0 to 10 of every response in ``folder``: about 5 for the reference policy's; others' are more by
    ``gain(method, objective)``, half of it at weight 0."""
    found = {}
    for file in folder.rglob("runs/**/evaluation.parquet"):
        frame = pd.read_parquet(file).drop_duplicates(["policy", "prompt_id"])
        names = json.loads(frame["weights"].iloc[0])
        for row in frame.itertuples():
            for objective in names:
                more = gain(row.method, objective) * (1 + names[objective]) / 2 if row.policy == "aligned" else 0
                score = 5.0 + more + int(row.prompt_id[1:]) % 3
                found[row.prompt_id, row.response, objective] = float("nan") if row.prompt_id in missing else score
    rows = [
        dict(zip(("prompt_id", "response", "objective", "score"), (*key, score), strict=True))
        for key, score in found.items()
    ]
    pd.DataFrame(rows).assign(answers=1, failures=0, spread=0.0).to_parquet(folder / "judge.parquet")


def write_sweep(folder, names, points, strengths, *, seeds=(0,), prompts=30, held_out=True, iterations=5):
    """Varied runs of several methods: ``strengths`` is by how much each gains at full weight."""
    for method, strength in strengths.items():
        for weights in points:
            for seed in seeds:
                shift = {name: strength * (weight**0.5 - 0.25) + 0.02 * seed for name, weight in weights.items()}
                exact = {f"{name}_exact": name for name in names} if held_out else {}
                shift |= {column: 0.8 * shift[name] for column, name in exact.items()}
                label = "_".join(f"{name}{weight:.2g}" for name, weight in weights.items())
                write_run(
                    folder / "runs" / method / f"{label}_seed{seed}", method, weights, shift, prompts, tuple(exact), measures=exact,
                    seed=seed, varied=True, iterations=iterations,
                )  # fmt: skip


def _number(*parts):
    return int(hashlib.sha256(repr(parts).encode()).hexdigest()[:8], 16)


def _text(rng):
    return " ".join(rng.choice(WORDS, size=int(rng.integers(8, 40)))) + "."


def _prompt(i, varied):
    question = f"Tell me, and take your time, what you would do with {i} apples" if varied else i
    return f"\n\nHuman: {question}\n\nAssistant:"


def _write_config(folder, weights, measures):
    config = {
        "iterations": 5,
        "rollout": {"batch_size": 8, "max_new_tokens": 4},
        "rewards": {n: {"type": "function"} for n in weights},
    }
    if measures:
        config["held_out_rewards"] = {name: {"type": "function", "measures": of} for name, of in measures.items()}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))


def _write_metrics(folder, weights, iterations, rng):
    lines = []
    for i in range(iterations):
        noise = 0.0 if rng is None else 0.1 * rng.normal()
        done = i / max(iterations - 1, 1)
        row = {
            "iteration": i,
            "reward": dict.fromkeys(weights, 0.5) if rng is None else {n: w * done + noise for n, w in weights.items()},
            "kl": 1.0 if rng is None else 3 * done,
            "conflict_rate": 0.3 + noise / 5,
            "objective_scale_mean": dict.fromkeys(weights, 0.9 + noise / 5),
        }
        if rng is not None:
            row |= {"surplus": dict.fromkeys(weights, 0.2 + noise), "response_length": 20 + 5 * done, "tokens": 800}
            row |= {
                "reward_calls": 16,
                "forward_passes": 4,
                "backward_passes": 4,
                "seconds": {"generate": 1.0, "update": 2.0},
            }
        lines.append(json.dumps({"iteration": i, **row}) + "\n")
    (folder / "metrics.jsonl").write_text("".join(lines))
