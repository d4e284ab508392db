"""CONTRIBUTING.md's examples as installed packages of others."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def install(folder: Path, group: str) -> None:
    """CONTRIBUTING.md's example of ``group`` as an installed package: its Python block, and the TOML block that names it."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for code, toml in re.findall(r"```python\n(.*?)```.*?```toml\n(.*?)```", text, re.DOTALL):
        for name, place in tomllib.loads(toml)["project"]["entry-points"].get(group, {}).items():
            package, module = place.partition(":")[0].split(".")
            (folder / package).mkdir()
            (folder / package / f"{module}.py").write_text(code)
            metadata = folder / f"{package}-1.0.dist-info"
            metadata.mkdir()
            (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
            (metadata / "entry_points.txt").write_text(f"[{group}]\n{name} = {place}\n")
