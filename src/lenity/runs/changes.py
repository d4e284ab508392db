"""Which settings of a started run may change: always, only with ``allow_changes``, or never."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenity.config.base import TYPE, Section, member_name
from lenity.estimators import ESTIMATORS

if TYPE_CHECKING:
    from lenity.runs.config import RunConfig
    from lenity.runs.folder import RunFolder

EVALUATED = ("evaluation", "held_out_prompts", "held_out_rewards")  # settings of evaluation alone
LABEL = "method.label"  # a name, which changes nothing else
FREE_TO_CHANGE = {
    "output",
    "checkpoint",
    "tolerance",
    "logging",
    LABEL,
    *EVALUATED,
}  # training does not depend on them
SHAPES = (
    "critic.kind",
    "critic.hidden_size",
    "policy.lora.r",
    "policy.lora.target_modules",
)  # they set the shapes of trained tensors
LENGTH = ("iterations", "budget")
CONSTANTS = ("standardisation", "rewards")  # what standardisation.json was measured with
ADAPTER = ("policy.model", "policy.revision")  # what is merged in base/
LOADED = ("policy.model", "policy.revision", "policy.dtype", "policy.trust_remote_code")  # evaluation reads them too


def changes(before: Any, now: Any, field: str = "") -> dict[str, str]:
    """The fields in which two configurations differ, each with a text of its old and new value.

    >>> changes({"seed": 0, "ppo": {"clip": 0.2, "lam": 1}}, {"seed": 0, "ppo": {"clip": 0.1, "lam": 1}})
    {'ppo.clip': 'ppo.clip was 0.2 and is 0.1'}
    """
    if before == now:
        return {}
    if not (isinstance(before, dict) and isinstance(now, dict)):
        return {field: f"{field} was {before!r} and is {now!r}"}
    if TYPE in before and TYPE in now and before[TYPE] != now[TYPE]:  # whose fields are its own
        return {field: f"{field} was {_member(before)} and is {_member(now)}"}
    differences: dict[str, str] = {}
    for key in [*before, *(key for key in now if key not in before)]:
        differences |= changes(before.get(key), now.get(key), f"{field}.{key}" if field else key)
    return differences


def breaking(changed: Mapping[str, str]) -> dict[str, str]:
    """The fields of ``changed`` that training depends on."""
    return {field: text for field, text in changed.items() if not _under(field, FREE_TO_CHANGE)}


def in_vain(run: RunFolder, now: RunConfig, changed: Mapping[str, str]) -> dict[str, str]:
    """The fields of ``changed`` without effect, or with only a part of it, at the point that ``run`` has reached; each with the reason."""
    before = run.config
    training = {
        field: text for field, text in breaking(changed).items() if not _under(field, same_rewards(before, now))
    }
    reasons: dict[str, str] = {}

    def because(reason: str, *fields: str) -> None:
        reasons.update({field: f"{text} ({reason})" for field, text in training.items() if _under(field, fields)})

    if run.trained(now):
        left = training.keys() - (_fields(training, LENGTH) if not run.trained(before) else set())
        because("nothing is left to train", *(left - _fields(training, LOADED)))
    because("this stage is done", *now.method.settled(len(run.metrics())))
    reasons |= frozen(run.path, training)
    because(f"estimator {member_name(now.estimator, ESTIMATORS)} ignores it", *now.estimator.idle)
    looped = [config.method.loop_rule is not None for config in (before, now)]
    if looped[0] != looped[1] or (not looped[1] and type(before.method) is not type(now.method)):
        because("one method trains in the loop, the other does not", "method")
    if run.saved:
        because("the checkpoint's tensors have the old shapes", *SHAPES)
        if now.estimator.needs_critic and not before.estimator.needs_critic:
            because("the checkpoint has no critic", "estimator", "method")
        because(f"{run.saved} iterations are done", *(["iterations"] if now.iterations < run.saved else []))
    elif looped[1] and run.ended(before):
        because("there is no checkpoint to resume from", *LENGTH)
    return reasons


def idle(config: RunConfig) -> list[str]:
    """The settings of ``config`` that differ from their defaults and have no effect with its estimator."""
    sections = {
        name: field.default.model_dump(mode="json")
        for name, field in type(config).model_fields.items()
        if isinstance(field.default, Section)
    }
    not_default = changes(sections, config.model_dump(mode="json", include=set(sections)))
    return sorted(_fields(not_default, config.estimator.idle))


def frozen(folder: Path, changed: Mapping[str, str], constants: Sequence[str] = CONSTANTS) -> dict[str, str]:
    """The fields of ``changed`` whose results are stored in the ``folder`` of a run or sweep and not made again; each with the reason."""
    stored = {
        "standardisation.json": (
            constants,
            "the constants in standardisation.json stay; without that file they are measured again",
        ),
        "base": (ADAPTER, "the first configuration's adapter is merged in base/"),
    }
    present = [reason for name, reason in stored.items() if (folder / name).exists()]
    return {
        field: f"{text} ({why})" for fields, why in present for field, text in changed.items() if _under(field, fields)
    }


def same_rewards(before: RunConfig, now: RunConfig) -> list[str]:
    """The fields of training and held-out rewards whose scores have not changed: at most the path, timeout or batch size has."""
    from lenity.runs.fingerprint import by_contents, fingerprint

    def same(one: Section, two: Section) -> bool:
        if one == two or type(one) is not type(two):
            return one == two
        idle = dict.fromkeys(("timeout", "batch_size", "trust_remote_code"))  # they do not change a score
        return by_contents(one, fingerprint) | idle == by_contents(two, fingerprint) | idle

    sections = {
        "rewards": (before.rewards, now.rewards),
        "held_out_rewards": (before.held_out_rewards, now.held_out_rewards),
    }
    return [
        f"{section}.{name}"
        for section, (one, two) in sections.items()
        for name in one
        if name in two and same(one[name], two[name])
    ]


def remeasured(before: RunConfig, now: RunConfig) -> list[str]:
    """The held-out rewards whose scores have changed, so that their standardisation constants are no longer valid."""
    same = same_rewards(before, now)
    return [
        name
        for name in before.held_out_rewards
        if name in now.held_out_rewards and f"held_out_rewards.{name}" not in same
    ]


def _member(data: Mapping[str, Any]) -> str:
    """A text of a method, reader, reward or other member: its name, and its settings that are not empty."""
    settings = [f"{name} {value!r}" for name, value in data.items() if name != TYPE and value not in (None, {}, [])]
    named = data[TYPE]
    return f"{named} ({', '.join(settings)})" if settings else named


def _under(field: str, prefixes: Any) -> bool:
    return any(field == prefix or field.startswith(f"{prefix}.") for prefix in prefixes)


def _fields(changed: Mapping[str, str], prefixes: Any) -> set[str]:
    return {field for field in changed if _under(field, prefixes)}
