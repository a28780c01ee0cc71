"""Write requirements.lock: the versions that are installed, so that every build of one commit uses the same.

pip's own freeze would say ``torch==2.13.0+cpu`` on some machines, a version that others cannot install: the local part
is dropped, and there are no hashes, for the wheels differ by platform.
"""

from importlib.metadata import distributions
from pathlib import Path

HEADER = """\
# The versions that the published book was built with; `make lock` writes this file.
# On Linux pip installs torch with CUDA; for the much smaller CPU build install torch first, as PyTorch's own page says.
"""
TOOLS = {"pip", "dlbook", "distribute"}


def main() -> None:
    """Write the file at the root of the checkout."""
    pins = {d.metadata["Name"].lower().replace("_", "-"): d.version.split("+")[0] for d in distributions()}
    lines = [f"{name}=={version}" for name, version in sorted(pins.items()) if name not in TOOLS]
    (Path(__file__).parent.parent.parent / "requirements.lock").write_text(HEADER + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
