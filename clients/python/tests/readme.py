"""The examples of README.md. As a program, it writes each into a file of a directory, for mypy."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def examples() -> list[str]:
    """Returns the programs of README.md."""
    return re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


if __name__ == "__main__":
    for number, example in enumerate(examples()):
        (Path(sys.argv[1]) / f"example_{number}.py").write_text(example, encoding="utf-8")
