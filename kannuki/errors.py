"""The failures a command ends with: a message, what to do about it, an exit code.

Decides the exit codes (0 ok, 1 expectation failed, 2 usage or input, 3 system part missing,
130 interrupted). Does not print; `kannuki.cli.main` does. A refusal by a lock is a value and never
one of these. Messages carry no key, token or name.
"""

from __future__ import annotations

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_MISSING = 3
EXIT_INTERRUPTED = 130


class KannukiError(Exception):
    """A failure with a remedy: one plain sentence each, or the line to type."""

    exit_code = EXIT_FAILED

    def __init__(self, message: str, remedy: str = "", exit_code: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        if exit_code is not None:
            self.exit_code = exit_code

    def lines(self) -> str:
        """What a person reads on stderr."""
        head = f"kannuki: {self.message}"
        return f"{head}\n  -> {self.remedy}" if self.remedy else head


class ExpectationFailed(KannukiError):
    """Everything ran, but the outcome is not the one that was asked for."""

    exit_code = EXIT_FAILED


class InputError(KannukiError):
    """A file, an option or a setting that cannot be used."""

    exit_code = EXIT_USAGE


class MissingPart(KannukiError):
    """A program, an extra or a platform that this command needs is not here."""

    exit_code = EXIT_MISSING
