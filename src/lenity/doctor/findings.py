"""The findings on a run: every check applied to its measurements, worst first."""

from __future__ import annotations

from lenity.doctor import reward_checks, text_checks
from lenity.doctor.measurements import Check, Finding, Measurements, problem

CHECKS: tuple[Check, ...] = (*reward_checks.CHECKS, *text_checks.CHECKS)
ORDER = ("problem", "warning", "not measured", "ok")
OK = {
    "unscorable": "every response has a finite score",
    "sign": "rewards prefer responses to clearly worse texts, or cannot tell them apart",
    "scale": "the objectives' scales are comparable",
    "saturation": "rewards distinguish responses",
    "correlation": "objectives are neither equal nor opposite",
    "conflict": "objectives conflict on enough responses for leniency to matter",
    "policy": "log-probs match the model's own logits, and batched generation gives the same responses",
    "tokenizers": "tokenizers know the texts",
    "windows": "texts fit into the models' context windows",
    "prompts": "most rows are used",
    "held_out": "no held-out prompt is a training prompt",
    "responses": "most responses end with EOS or a stop string",
    "cost": "the run fits into memory",
}


def judge(measured: Measurements, *, strict: bool = False) -> list[Finding]:
    """The findings of all checks, worst first; a check without any gives one of level ``ok``.

    Args:
        measured: of the run.
        strict: held-out prompts that are training prompts too are a problem, not a warning.
    """
    findings: list[Finding] = []
    for check in CHECKS:
        name = check.__name__
        findings += list(check(measured)) or [Finding("ok", name, OK[name])]
    if strict:
        findings = [problem(one.about, one.text) if one.about == text_checks.HELD_OUT else one for one in findings]
    return sorted(findings, key=lambda finding: ORDER.index(finding.level))
