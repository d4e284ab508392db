"""Known vulnerabilities of the packages installed here, by pip-audit: said loudly, never a failure.

What is found depends on the day and not on the commit, and without a network nothing can be asked.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

COMMAND = [sys.executable, "-m", "pip_audit", "--skip-editable", "--progress-spinner=off", "--format=json"]
PATIENCE, LONGEST = "5", 60  # seconds for an answer, and in all


def installed() -> list[dict[str, Any]] | str:
    """The packages with what is known of each, or why that cannot be told, such as for want of a network."""
    try:
        ran = subprocess.run(
            [*COMMAND, "--timeout", PATIENCE], check=False, capture_output=True, text=True, timeout=LONGEST
        )
        return json.loads(ran.stdout)["dependencies"]
    except subprocess.TimeoutExpired:
        return f"no answer in {LONGEST} seconds"
    except ValueError:
        return "".join(ran.stderr.strip().splitlines()[-1:]) or "no answer"


def main() -> None:
    packages = installed()
    if isinstance(packages, str):
        print(f"pip-audit: skipped, nothing was audited: {packages[:200]}")
        return
    asked = [package for package in packages if "vulns" in package]
    found = [(package, flaw) for package in asked for flaw in package["vulns"]]
    for package, flaw in found:
        mended = ", ".join(flaw["fix_versions"]) or "no version yet"
        print(f"WARNING: {package['name']} {package['version']} has {flaw['id']}; mended in {mended}", file=sys.stderr)
    print(
        f"pip-audit: {len(found)} known vulnerabilities in {len(asked)} of {len(packages)} packages; the service does not know the others"
    )


if __name__ == "__main__":
    main()
