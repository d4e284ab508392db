"""Rewards-in-Context (RiC): one policy whose prompt contains the scores that its response should reach (arXiv 2402.10207)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from lenity.config.stages import Pairs
from lenity.methods.building import Built
from lenity.methods.context_settings import Stages
from lenity.methods.score_prompts import Map
from lenity.methods.sharing import Sharing
from lenity.rules.presets import Fields, Presets
from lenity.runs.method import METHODS
from lenity.runs.work import UPDATE_PASSES, Work

if TYPE_CHECKING:
    from lenity.runs.config import RunConfig
    from lenity.runs.folder import RunFolder


# as given in table 4 of the PLC paper
RIC_PAPER: Fields = {
    "method": {
        "desired": "l2",
        "offline": {"steps": 20_000, "learning_rate": 1.414e-4, "weight_decay": 0.01},
        "online": {
            "rounds": 1, "samples": 10_000, "temperature": 0.7, "top_p": 0.9, "quantile": 0.7, "steps": 4_000,
            "learning_rate": 1e-5,
        },
    },
}  # fmt: skip


@METHODS.register("ric")
class RewardsInContext(Stages, Sharing, Built):
    """Fine-tuning on prompts that contain the scores of the response; at generation the weights set the scores in the prompt.

    Offline, the policy is fine-tuned on every response of a preference data set with the response's own scores in the prompt,
    standardised over that data set and written with one decimal. Online, it answers prompts that request the highest score of
    every objective but one, and is fine-tuned on answers with a high score on any objective. At weights w the prompt requests
    lo_k + t_k(w) (hi_k - lo_k), see ``desired``.
    """

    paper = "arXiv 2402.10207"
    equation = "π(y | x, r*(w)), r*_k = lo_k + t_k(w) (hi_k − lo_k)"
    cost = "one run and one adapter in total"
    pitfalls = (
        "public code removes the scores with str.strip, which also removes characters of the prompt, and overwrites special tokens of "
        "the tokenizer; here only the suffix is removed and no token is changed"
    )
    presets: ClassVar[Presets] = {"paper": RIC_PAPER}

    desired: Map = Field(
        "l2",
        description="t(w): l2 is w / ||w||_2; linf is 1 for the largest weight, min(K w, 1) for others; linear is w",
    )

    @property
    def once(self) -> bool:
        """True: the weights only set the scores in the prompt of one policy."""
        return True

    @property
    def examples(self) -> tuple[Pairs, ...]:
        """The preference pairs of the offline stage; none if it uses the policy's own answers."""
        return (self.offline.pairs,) if self.offline.pairs else ()

    def settled(self, rows: int) -> tuple[str, ...]:
        """The settings without effect after ``rows`` stages: those of the offline stage, and after the last stage all that training reads."""
        after_last = (
            ("seed", "policy", "prompts", "weights", "rollout", "method", "budget") if rows > self.online.rounds else ()
        )
        return ("rewards", "method.offline", *after_last) if rows else ()

    def build(self, config: RunConfig, run: RunFolder) -> None:
        """Write the adapter: trained here, or taken from ``source``.

        Raises:
            ModelError: the tokenizer cannot spell scores.
            RewardError: a reward gives every example the same score.
        """
        from lenity.methods import context_training, score_scale

        if self.source:
            run.take(self.source, score_scale.FILE)
        else:
            context_training.train(self, config, run)

    def work(self, config: RunConfig, prompts: int) -> Work:
        """The work of all stages: answers, scores and fine-tuning."""
        if self.source:
            return Work()
        offline, online = self.offline, self.online
        answers = online.rounds * online.samples
        if offline.pairs is None:
            answers += 2 * prompts
        if tokens := config.budget.tokens:
            answers = min(answers, -(-tokens // config.rollout.max_new_tokens))
        paired = 2 * (offline.pairs.limit or prompts) if offline.pairs else 0
        steps = offline.steps + online.rounds * online.steps
        return Work(1 + online.rounds, answers, answers + paired, UPDATE_PASSES * steps * self.batch_size)

    def shown(self, prompts: Sequence[str], run: RunFolder) -> list[str]:
        """The prompts with the scores that the run's weights request."""
        from lenity.methods.score_prompts import condition, desired
        from lenity.methods.score_scale import Scale

        weights, scale = run.config.weights, Scale.load(run)
        scores = desired([weights[name] for name in scale.names], scale.ranges, self.desired)
        return [condition(prompt, scores) for prompt in prompts]
