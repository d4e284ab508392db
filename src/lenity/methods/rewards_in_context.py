"""Rewards-in-Context (RiC): one policy that reads in its prompt which scores to reach (arXiv 2402.10207)."""

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


# as table 4 of the PLC paper has it
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
    """Fine-tuning on prompts that name the scores of the response; weights choose the scores asked for afterwards.

    Offline, every response of a preference data set is learned with its own scores, standardised over that set and shown
    with one decimal. Online, the policy answers prompts that ask for the highest scores but one, and learns from the
    answers that any objective ranks high. At weights w the prompt asks for lo_k + t_k(w) (hi_k - lo_k), see ``desired``.
    """

    paper = "arXiv 2402.10207"
    equation = "π(y | x, r*(w)), r*_k = lo_k + t_k(w) (hi_k − lo_k)"
    cost = "one run and one adapter in all"
    pitfalls = (
        "public code strips the scores as a set of characters, which eats into the prompt, and overwrites special tokens of the "
        "tokenizer; here a suffix is stripped and no token is changed"
    )
    presets: ClassVar[Presets] = {"paper": RIC_PAPER}

    desired: Map = Field("l2", description="t(w): l2 w / ||w||_2, linf 1 for the largest and min(K w, 1), linear w")

    @property
    def once(self) -> bool:
        """Always: the weights choose what is asked of the one policy."""
        return True

    @property
    def examples(self) -> tuple[Pairs, ...]:
        """Those of the offline stage, where they are not the policy's own answers."""
        return (self.offline.pairs,) if self.offline.pairs else ()

    def settled(self, rows: int) -> tuple[str, ...]:
        """What the offline stage was made with, once it is done; after the last stage all that training reads."""
        over = (
            ("seed", "policy", "prompts", "weights", "rollout", "method", "budget") if rows > self.online.rounds else ()
        )
        return ("rewards", "method.offline", *over) if rows else ()

    def build(self, config: RunConfig, run: RunFolder) -> None:
        """Train, or take what ``source`` trained.

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
        """Answers and fine-tuning of every stage."""
        if self.source:
            return Work()
        offline, online = self.offline, self.online
        answers = online.rounds * online.samples
        if offline.pairs is None:
            answers += 2 * prompts
        if tokens := config.budget.tokens:
            answers = min(answers, -(-tokens // config.rollout.max_new_tokens))
        given = 2 * (offline.pairs.limit or prompts) if offline.pairs else 0
        steps = offline.steps + online.rounds * online.steps
        return Work(1 + online.rounds, answers, answers + given, UPDATE_PASSES * steps * self.batch_size)

    def shown(self, prompts: Sequence[str], run: RunFolder) -> list[str]:
        """Prompts that ask for the scores which the run's weights call for."""
        from lenity.methods.score_prompts import condition, desired
        from lenity.methods.score_scale import Scale

        weights, scale = run.config.weights, Scale.load(run)
        scores = desired([weights[name] for name in scale.names], scale.ranges, self.desired)
        return [condition(prompt, scores) for prompt in prompts]
