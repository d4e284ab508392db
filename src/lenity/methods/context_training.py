"""The two training stages of Rewards-in-Context. Each saves its examples, its adapter and a metrics row; a resumed run skips it then."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lenity.config.stages import Optimisation
from lenity.console.progress import track
from lenity.data.conversation import Prompt
from lenity.data.human_assistant import parse
from lenity.data.order import batch_at
from lenity.data.preferences import load_pairs
from lenity.distributed import seeds
from lenity.distributed.processes import ALONE
from lenity.finetuning import training
from lenity.finetuning.supervised import completion_trainer
from lenity.methods.context_settings import Stages
from lenity.methods.examples import Examples, encode, reaches_quantile
from lenity.methods.score_prompts import check_spelling, condition
from lenity.methods.score_scale import Scale
from lenity.models.policy import merged
from lenity.models.window import readable
from lenity.rewards.asking import check_columns, score_all
from lenity.runs.config import RunConfig
from lenity.runs.folder import RunFolder
from lenity.training.setup import World, load_world, speaker
from lenity.training.stages import Clock, Log, trackers

SCORED_AT_ONCE = 512


def train(method: Stages, config: RunConfig, run: RunFolder) -> None:
    """Train both stages, from where the run stopped, and write the adapter."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    config = config.model_copy(update={"policy": merged(config.policy, run.path / "base")})
    seeds.seed(config.seed, "setup")
    world = load_world(config, device)
    check_spelling(world.tokenizer, len(config.rewards))
    rows = run.metrics()
    run.truncate(len(rows))
    with trackers(config.logging.trackers, run.path, config.dump(), ALONE) as log:
        stages = _Training(method, config, run, world, log)
        if rows:
            world.policy.load_adapter(str(stages.folder / str(len(rows))), "default", is_trainable=True)
        for stage in range(len(rows), 1 + method.online.rounds):
            if stages.tokens_left <= 0:
                break
            stages.stage(stage)
    run.save_adapter(world.policy)


@dataclass(frozen=True)
class _Training:
    method: Stages
    config: RunConfig
    run: RunFolder
    world: World
    log: Log

    @property
    def folder(self) -> Path:
        """The folder with one adapter per finished stage, by number."""
        return self.run.path / "stages"

    @property
    def trainer(self) -> Path:
        """The folder of checkpoints within the current stage."""
        return self.folder / "trainer"

    @property
    def tokens_left(self) -> float:
        """The tokens left in the budget; infinite without a budget."""
        return (self.config.budget.tokens or float("inf")) - self.run.tokens()

    def stage(self, number: int) -> None:
        """Run one stage: examples, fine-tuning, adapter, metrics row; stage 0 is the offline stage."""
        clock = Clock()
        with clock("generate"):
            examples, tokens = self._offline() if number == 0 else self._answers(number)
        with clock("score"):
            examples, scoring = self._scored(examples)
        if number == 0:
            Scale.fit(list(self.config.rewards), examples.raw).save(self.run)
            examples.save(self._offline_file)
            learned = examples
        else:
            learned = self._kept(examples, number)
        with clock("update"):
            report = scoring | self._tune(learned, number)
        self.world.policy.save_pretrained(self.folder / str(number + 1))
        self._record(number, examples, report | {"kept": len(learned), "tokens": tokens}, clock)
        shutil.rmtree(self.trainer)

    def _offline(self) -> tuple[Examples, int]:
        if pairs := self.method.offline.pairs:
            rows, report = load_pairs(
                pairs, columns=any(one.signature.takes_rows for one in self.world.rewards.values())
            )
            prompts = [Prompt(parse(pair.prompt, pair.columns), pair.prompt) for pair in rows for _ in range(2)]
            check_columns(self.world.rewards, prompts, f"the method's pairs ({report.source})")
            responses = [text for pair in rows for text in (pair.chosen, pair.rejected)]
            return Examples(prompts, responses, [True] * len(prompts), np.empty(0)), 0
        prompts = [prompt for prompt in self.world.prompts for _ in range(2)]
        return self._generate(prompts, self.world.generator(self.config.rollout), 0, "answering prompts")

    def _answers(self, number: int) -> tuple[Examples, int]:
        """Answers to prompts that request the highest score of every objective but one, whose score is drawn from its range; and their tokens."""
        online, config = self.method.online, self.config
        scale = Scale.load(self.run)
        low, high = np.array(scale.ranges).T
        rng = np.random.default_rng(seeds.derived(config.seed, "generate", number, 0))
        prompts = [
            self.world.prompts[i] for i in batch_at(len(self.world.prompts), number, online.samples, config.seed)
        ]
        requested = np.tile(high, (len(prompts), 1))
        lowered = rng.integers(len(high), size=len(prompts))
        requested[np.arange(len(prompts)), lowered] = rng.uniform(low[lowered], high[lowered])
        conditioned = [
            replace(prompt, text=condition(prompt.text, scores))
            for prompt, scores in zip(prompts, requested.tolist(), strict=True)
        ]
        generator = replace(self.world.generator(config.rollout), temperature=online.temperature, top_p=online.top_p)
        answers, tokens = self._generate(conditioned, generator, number, f"round {number}: answering")
        return replace(answers, prompts=prompts[: len(answers)]), tokens

    def _generate(self, prompts: list[Prompt], generator: Any, number: int, title: str) -> tuple[Examples, int]:
        """The answers to ``prompts``, in order, until the token budget is spent; and the number of tokens generated."""
        seeds.seed(self.config.seed, "generate", number, 1)
        self.world.policy.eval()
        left = self.tokens_left
        size, tokens = self.config.rollout.generation_batch_size, 0
        responses: list[str] = []
        finished: list[bool] = []
        with track(title, len(prompts), unit="responses", settings=self.config.logging) as advance:
            for start in range(0, len(prompts), size):
                if tokens >= left:
                    break
                part = generator.generate(prompts[start : start + size])
                responses += part.responses
                finished += part.finished.tolist()
                tokens += int(part.response_mask.sum())
                advance(len(part.responses))
        return Examples(prompts[: len(responses)], responses, finished, np.empty(0)), tokens

    def _scored(self, examples: Examples) -> tuple[Examples, dict[str, Any]]:
        """The examples that every reward scored, with their scores; and the metrics of scoring."""
        config, parts = self.config, []
        with track("scoring", len(examples), unit="responses", settings=config.logging) as advance:
            for rows in np.array_split(np.arange(len(examples)), -(-len(examples) // SCORED_AT_ONCE)):
                part = slice(rows[0], rows[-1] + 1)
                columns = score_all(
                    self.world.rewards, examples.prompts[part], examples.responses[part], config.tolerance.unscored
                )
                parts.append(np.array([columns[name] for name in config.rewards]).T)
                advance(len(rows))
        raw = np.concatenate(parts)
        missing = np.isnan(raw)
        complete = replace(examples, raw=raw).take(np.flatnonzero(~missing.any(1)).tolist())
        unscored = dict(zip(config.rewards, missing.sum(0).tolist(), strict=True))
        return complete, {"unscored": unscored, "reward_calls": raw.size}

    def _kept(self, answers: Examples, number: int) -> Examples:
        """The answers that rejection sampling keeps, and offline examples that it keeps at the same quantile."""
        online, rng = self.method.online, np.random.default_rng(seeds.derived(self.config.seed, "order", number, 1))
        kept = answers.take(np.flatnonzero(reaches_quantile(answers.raw, online.quantile)).tolist())
        offline = Examples.load(self._offline_file)
        good = np.flatnonzero(reaches_quantile(offline.raw, online.quantile))
        mixed = rng.permutation(good)[: round(online.originals * len(kept))]
        return kept.join(offline.take(mixed.tolist()))

    def _tune(self, examples: Examples, number: int) -> dict[str, Any]:
        """The metrics of fine-tuning the adapter on completions only, from the newest checkpoint of this stage if there is one."""
        config, method, world, scale = self.config, self.method, self.world, Scale.load(self.run)
        conditioned = [
            condition(prompt.text, scores)
            for prompt, scores in zip(examples.prompts, scale.apply(examples.raw).tolist(), strict=True)
        ]
        rows = encode(world.tokenizer, conditioned, examples, readable(method.max_length, world.policy))
        stage = method.offline if number == 0 else method.online
        settings = Optimisation(
            seed=config.seed + number, max_steps=stage.steps, batch_size=method.batch_size, learning_rate=stage.learning_rate,
            schedule="linear" if number == 0 else "constant", warmup=0,
            weight_decay=method.offline.weight_decay if number == 0 else 0,
            non_finite_steps=config.tolerance.non_finite_steps, logging=config.logging,
        )  # fmt: skip
        title = "learning scores" if number == 0 else f"round {number}: learning"
        trainer = completion_trainer(world.policy, world.tokenizer, rows, settings, self.trainer / str(number + 1))
        result = training.train(trainer, settings, title, speaker(config.logging, self.run, ALONE), otherwise="restart")
        return {
            "loss": result.loss, "rows": len(rows), "too_long": len(examples) - len(rows),
            "non_finite_steps": result.non_finite_steps,
            "forward_passes": result.steps, "backward_passes": result.steps,
        }  # fmt: skip

    def _record(self, number: int, scored: Examples, report: Mapping[str, Any], clock: Clock) -> None:
        """Write one metrics row and a few samples, and log the row."""
        config = self.config
        named = zip(config.rewards, scored.raw.mean(0).tolist(), strict=True)
        standard = Scale.load(self.run).apply(scored.raw).mean(0).tolist()
        row = {
            "iteration": number + 1, "stage": "offline" if number == 0 else "online", "reward": dict(named),
            "standardised": dict(zip(config.rewards, standard, strict=True)), "examples": len(scored),
            **report, "seconds": clock.seconds,
        }  # fmt: skip
        samples = [
            {"iteration": number + 1, "prompt": scored.prompts[i].text, "response": scored.responses[i],
             "raw": dict(zip(config.rewards, scored.raw[i].tolist(), strict=True))}
            for i in range(min(config.logging.samples, len(scored)))
        ]  # fmt: skip
        self.run.append(row, samples)
        self.log(row, number + 1)

    @property
    def _offline_file(self) -> Path:
        return self.run.path / "offline.parquet"
