"""TRL's GRPOTrainer with a Lenity rule instead of its weighted sum of rewards. Generation, rewards, loss and logs are TRL's; no EOS is
appended to prompts of plain text.
"""

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
    """A GRPO trainer for several rewards: advantages per reward within the group, combined by a rule instead of the weighted sum.

    ``scale_rewards`` applies to each reward separately. ``multi_objective_aggregation="normalize_then_sum"`` standardises each
    reward within its group, and the combined advantages over the batch (GDPO, arXiv 2601.05242). With one reward, advantages are
    GRPOTrainer's for every rule that is the identity for K = 1; PLC with the ``sigmoid`` gate is not. The logs also have
    ``forgiven/{reward}``, the share of the reward's losses that the rule left out, and ``conflict_rate``.

    Args:
        *arguments, **options: arguments of GRPOTrainer.
        rule: a rule that combines advantages, or its registered name; schedules follow the trainer's steps.
        weights: weights of the reward functions by name, at least 0, sum 1; default: ``args.reward_weights`` divided by
            their sum, or equal weights.

    Raises:
        ConfigError: the rule combines gradients or does not train, or the weights do not match the reward functions.
        RewardError: a reward is infinite during training.
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
        names = tuple(self.reward_func_names)  # an environment may have added its own rewards
        if weights is not None:
            if self.args.reward_weights is not None:
                raise ConfigError("weights and args.reward_weights are both set.", "Leave one of them out.")
            self.objectives = Objectives(names, _checked(names, weights))
            self.reward_weights = self.objectives.weight_vector()  # the logged "reward" is then the weighted mean
        else:
            self.objectives = Objectives(names, _checked(names, _shares(names, self.reward_weights.tolist())))
        own = chosen.estimator
        if own is not None and own.responses != self.num_generations:
            raise ConfigError(
                f"the rule needs {own.responses} responses per prompt, but args.num_generations is {self.num_generations}.",
                "Set both to the same number.",
            )
        self.rule = chosen
        self.remembered = RuleMemory(chosen.kind, chosen.initial_memory(names))
        self.add_callback(self.remembered)

    def _tokenize_prompts(self, prompts: list[Any]) -> tuple[Any, ...]:
        """TRL's prompt ids; for plain text without the tokens that the tokenizer appends, which would precede the completion."""
        ids, *others = super()._tokenize_prompts(prompts)
        if isinstance(prompts[0], str) and isinstance(self.processing_class, PreTrainedTokenizerBase):
            ids = prompt_ids(self.processing_class, prompts)
        return ids, *others

    def _calculate_rewards(self, *arguments: Any, **options: Any) -> Tensor:
        """TRL's rewards of all processes, (B, K); they are stored for the rule."""
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
        consensus, memory = agree(
            self._rewards, self.rule.at(self.state.global_step / max(self.state.max_steps, 1)), weights,
            size=self.num_generations if training else self.num_generations_eval,
            scale="group" if whiten else self.scale_rewards, whiten=whiten, memory=self.remembered.memory,
        )  # fmt: skip
        if training:  # evaluation does not change a rule's memory
            self.remembered.memory = memory
        rows, first = len(batch["advantages"]), self.accelerator.process_index * len(batch["advantages"])
        batch["advantages"] = consensus.rectified[first : first + rows]
        _replace_last(self._logs["advantages"], consensus.rectified.tolist())
        metrics = self._metrics["train" if training else "eval"]
        for name, share in self.objectives.named(consensus.forgiven()).items():
            metrics[f"forgiven/{name}"].append(share)
        metrics["conflict_rate"].append(consensus.conflict_rate(weights))
        return batch


def _advantage_rule(rule: AdvantageRule | str) -> AdvantageRule:
    parsed = parse_member(rule, RULES)
    if not isinstance(parsed, AdvantageRule):
        raise ConfigError(
            f"rule {type(parsed).__name__} does not combine advantages, which GRPOTrainer needs.",
            "Give a rule over advantages, such as plc or linear; `lenity train` has the others.",
        )
    return parsed


def _shares(names: Sequence[str], given: Sequence[float]) -> dict[str, float]:
    if (total := sum(given)) <= 0:
        raise ConfigError(f"args.reward_weights is {list(given)}.", "Give weights of at least 0, not all 0.")
    return {name: weight / total for name, weight in zip(names, given, strict=True)}


def _checked(names: Sequence[str], weights: Mapping[str, float]) -> Mapping[str, float]:
    if len(set(names)) < len(names):
        raise ConfigError(
            f"the reward functions' names, {list(names)}, are not distinct.", "Give each a __name__ of its own."
        )
    if set(weights) != set(names):
        raise ConfigError(
            f"weights are for {sorted(weights)}, but the reward functions are {list(names)}.",
            "Give one weight for each.",
        )
    try:
        check_weights(weights)
    except ValueError as error:
        raise ConfigError(f"{error}.", "Give weights of at least 0 that sum to 1.") from None
    return weights


def _replace_last(log: Any, values: Sequence[float]) -> None:
    """Replace the last entries of ``log``, a deque that may be shorter, by ``values``."""
    for _ in range(min(len(log), len(values))):
        log.pop()
    log.extend(values)
