"""TRL's GRPOTrainer with a Lenity rule where it adds up rewards. Generation, rewards, loss and logs stay TRL's; prompts end as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor
from transformers import PreTrainedTokenizerBase
from trl import GRPOTrainer

from lenity.config.base import parse_member
from lenity.config.objectives import Objectives, check_weights
from lenity.data.tokens import prompt_ids
from lenity.errors import ConfigError, RewardError
from lenity.integrations.completions import agree
from lenity.integrations.rule_memory import RuleMemory
from lenity.rules import RULES, AdvantageRule


class PLCGRPOTrainer(GRPOTrainer):  # type: ignore[misc]  # TRL has no types
    """GRPO on several rewards: advantages by reward within the group, then a rule in place of the weighted sum.

    ``scale_rewards`` acts on each reward by itself. ``multi_objective_aggregation="normalize_then_sum"`` standardises each
    within its group, and the rule's outcome over the batch (GDPO, arXiv 2601.05242). With one reward, advantages are
    GRPOTrainer's for every rule that is the identity there; PLC's ``sigmoid`` gate is not. Logs gain ``forgiven/{reward}``, the
    share of its losses that the rule left out, and ``conflict_rate``.

    Args:
        *arguments, **options: GRPOTrainer's.
        rule: a rule over advantages, or its registered name; schedules follow the trainer's steps.
        weights: of the reward functions by their names, at least 0, sum 1; without them ``args.reward_weights`` over their
            sum, or equal ones.

    Raises:
        ConfigError: a rule that needs gradients or does not train, or weights that do not fit the reward functions.
        RewardError: while training, an infinite reward.
    """

    def __init__(
        self,
        *arguments: Any,
        rule: AdvantageRule | str = "plc",
        weights: Mapping[str, float] | None = None,
        **options: Any,
    ) -> None:
        chosen = _advantage_rule(rule)
        super().__init__(*arguments, **options)
        names = tuple(self.reward_func_names)  # an environment may have added rewards of its own
        if weights is not None:
            if self.args.reward_weights is not None:
                raise ConfigError("weights and args.reward_weights are both set.", "Leave one of them out.")
            self.objectives = Objectives(names, _checked(names, weights))
            self.reward_weights = self.objectives.weight_vector()  # so that the logged "reward" is the weighted mean
        else:
            self.objectives = Objectives(names, _checked(names, _shares(names, self.reward_weights.tolist())))
        own = chosen.estimator
        if own is not None and own.responses != self.num_generations:
            raise ConfigError(
                f"the rule is for {own.responses} responses a prompt, but args.num_generations is {self.num_generations}.",
                "Make them equal.",
            )
        self.rule = chosen
        self.remembered = RuleMemory(chosen.kind, chosen.initial_memory(names))
        self.add_callback(self.remembered)

    def _tokenize_prompts(self, prompts: list[Any]) -> tuple[Any, ...]:
        """TRL's tokens; those of plain text without what the tokenizer appends, or it would lie between prompt and completion."""
        ids, *others = super()._tokenize_prompts(prompts)
        if isinstance(prompts[0], str) and isinstance(self.processing_class, PreTrainedTokenizerBase):
            ids = prompt_ids(self.processing_class, prompts)
        return ids, *others

    def _calculate_rewards(self, *arguments: Any, **options: Any) -> Tensor:
        """TRL's rewards over all processes, (B, K), which are kept for the rule."""
        rewards: Tensor = super()._calculate_rewards(*arguments, **options)
        for name, column in zip(self.objectives.names, rewards.T, strict=True):
            if infinite := int(column.isinf().sum()):
                raise RewardError(
                    f"reward function '{name}' gave infinity for {infinite} of {len(column)} completions.",
                    "Give None where a completion has no score.",
                )
        self._rewards = rewards
        return rewards

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        """TRL's batch of this process, with the rule's advantages."""
        training = self.model.training
        batch: dict[str, Any] = super()._generate_and_score_completions(inputs)
        whiten = self.multi_objective_aggregation == "normalize_then_sum"
        weights = self.objectives.weight_vector(self._rewards.device)
        found, memory = agree(
            self._rewards, self.rule.at(self.state.global_step / max(self.state.max_steps, 1)), weights,
            size=self.num_generations if training else self.num_generations_eval,
            scale="group" if whiten else self.scale_rewards, whiten=whiten, memory=self.remembered.memory,
        )  # fmt: skip
        if training:  # evaluation teaches a rule nothing
            self.remembered.memory = memory
        rows, first = len(batch["advantages"]), self.accelerator.process_index * len(batch["advantages"])
        batch["advantages"] = found.rectified[first : first + rows]
        _replace_last(self._logs["advantages"], found.rectified.tolist())
        metrics = self._metrics["train" if training else "eval"]
        for name, share in self.objectives.named(found.forgiven()).items():
            metrics[f"forgiven/{name}"].append(share)
        metrics["conflict_rate"].append(found.conflict_rate(weights))
        return batch


def _advantage_rule(rule: AdvantageRule | str) -> AdvantageRule:
    found = parse_member(rule, RULES)
    if not isinstance(found, AdvantageRule):
        raise ConfigError(
            f"rule {type(found).__name__} does not turn advantages into one, which is all that GRPOTrainer takes.",
            "Give a rule over advantages, such as plc or linear; `lenity train` has the others.",
        )
    return found


def _shares(names: Sequence[str], given: Sequence[float]) -> dict[str, float]:
    if (total := sum(given)) <= 0:
        raise ConfigError(f"args.reward_weights is {list(given)}.", "Give weights of at least 0, not all 0.")
    return {name: weight / total for name, weight in zip(names, given, strict=True)}


def _checked(names: Sequence[str], weights: Mapping[str, float]) -> Mapping[str, float]:
    if len(set(names)) < len(names):
        raise ConfigError(
            f"reward functions are called {list(names)}, two of them alike.", "Give each a __name__ of its own."
        )
    if set(weights) != set(names):
        raise ConfigError(
            f"weights are of {sorted(weights)}, but the reward functions are {list(names)}.",
            "Give one weight for each.",
        )
    try:
        check_weights(weights)
    except ValueError as error:
        raise ConfigError(f"{error}.", "Give weights of at least 0 that sum to 1.") from None
    return weights


def _replace_last(log: Any, values: Sequence[float]) -> None:
    """Put ``values`` in place of the last of ``log``, a deque that may be shorter."""
    for _ in range(min(len(log), len(values))):
        log.pop()
    log.extend(values)
