"""All checks, and what they say of a run where it is well."""

from __future__ import annotations

from lenity.doctor import reward_findings, text_findings
from lenity.doctor.figures import Figures
from lenity.doctor.finding import Check, Finding, problem

CHECKS: tuple[Check, ...] = (*reward_findings.CHECKS, *text_findings.CHECKS)
ORDER = ("problem", "warning", "not measured", "ok")
WELL = {
    "unscorable": "every response has a finite score",
    "sign": "rewards prefer responses to what is plainly worse, or cannot be told apart from it",
    "scale": "objectives vary on scales that compare",
    "saturation": "rewards tell responses apart",
    "correlation": "objectives are neither the same nor opposites",
    "conflict": "objectives conflict on enough responses for leniency to matter",
    "policy": "log-probs are those of the model's own logits, and prompts are answered together as each alone",
    "tokenizers": "tokenizers know the texts",
    "windows": "texts fit into the models",
    "prompts": "most rows are used",
    "held_out": "no held-out prompt is trained on",
    "responses": "most responses end by themselves",
    "cost": "the run fits into memory",
}


def judge(figures: Figures, *, strict: bool = False) -> list[Finding]:
    """The worst first; a check that finds nothing gives one finding that is ok.

    Args:
        figures: what was measured.
        strict: held-out prompts that are trained on are a problem, not a warning.
    """
    found: list[Finding] = []
    for check in CHECKS:
        name = check.__name__
        found += list(check(figures)) or [Finding("ok", name, WELL[name])]
    if strict:
        found = [problem(one.about, one.text) if one.about == text_findings.HELD_OUT else one for one in found]
    return sorted(found, key=lambda finding: ORDER.index(finding.level))
