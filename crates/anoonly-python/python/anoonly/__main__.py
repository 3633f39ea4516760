"""The command ``anoonly``, the same as the Rust program."""

from __future__ import annotations

import sys

from . import _native


def main() -> None:
    """Run the command with the arguments of this process, and end the process with its exit code."""
    sys.exit(_native.run_command([sys.executable, "-m", "anoonly"], sys.argv[1:]))


if __name__ == "__main__":
    main()
