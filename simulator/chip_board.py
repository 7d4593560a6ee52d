"""The simulated chip as a board on a technician's bench: runs source inside a lock's image.

Decides how a chip process is started; the demo starts its locks with the same command line.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from kannuki.errors import KannukiError
from kannuki.parts import require_program

BOOT = Path(__file__).resolve().parent / "chip" / "boot.py"
HEAP_BYTES = "256k"
_TIMEOUT_S = 60


class BoardFailed(KannukiError):
    """The chip ended with an error; the message has its last words."""


def micropython() -> str:
    """The MicroPython program of this environment. Raises MissingPart."""
    return str(require_program("micropython"))


def chip_command(image: Path, *options: str) -> tuple[str, ...]:
    """The command line of a chip that boots `image`."""
    return (micropython(), "-X", f"heapsize={HEAP_BYTES}", str(BOOT), str(image), *options)


class ImageBoard:
    """provisioning.enrol.Board over an image file."""

    def __init__(self, image: Path) -> None:
        self._image = image

    def run(self, source: str) -> str:
        """Everything that `source` printed inside the image's file system."""
        done = subprocess.run(
            chip_command(self._image, "--exec-stdin"),
            input=source,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        if done.returncode:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:]
            raise BoardFailed(
                f"the chip ended with {done.returncode}: {' '.join(last)}",
                "see that the image is whole: kannuki provision inspect IMAGE",
            )
        return done.stdout
