"""Log lines and tracebacks of this process without secrets, whoever writes them.

Libraries log what they were sent and asked; a handler's filter would miss the lines of other handlers. So
every record is made clean before any handler sees it.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from ops_core.domain.redact import redact, redact_said

#: What the names of our own loggers begin with.
_OURS = "ops_core"


def redact_logs() -> None:
    """Keep secrets out of every log record and of the traceback a process ends with, from now on."""
    logging.setLogRecordFactory(CleanRecord)
    # who has set a hook of their own (a notebook, a test) shows errors in their own way
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _print_error
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = _print_thread_error


class CleanRecord(logging.LogRecord):
    """A record whose message, arguments and traceback hold no secret.

    Libraries print headers and answers as they came, so their lines lose every word that could be a key.
    """

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        # some formatters print the arguments one by one
        if isinstance(self.args, Mapping):
            self.args = {name: self._argument(value) for name, value in self.args.items()}
        elif self.args:
            self.args = tuple(map(self._argument, self.args))
        if self.exc_info and self.exc_info[0] is not None:
            # formatters take this in place of a text of their own
            self.exc_text = self._clean("".join(traceback.format_exception(*self.exc_info)).rstrip())
        if self.stack_info:
            self.stack_info = self._clean(self.stack_info)

    def getMessage(self) -> str:
        """The message with its arguments: a name and its secret may come together only here."""
        return self._clean(super().getMessage())

    def _clean(self, text: str) -> str:
        return redact(text) if str(self.name).startswith(_OURS) else redact_said(text)

    def _argument(self, value: Any) -> Any:
        return self._clean(value) if isinstance(value, str) else value


def _print_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    sys.stderr.write(redact("".join(traceback.format_exception(kind, error, trace))))


def _print_thread_error(failed: threading.ExceptHookArgs) -> None:
    if failed.exc_type is SystemExit:
        return
    name = failed.thread.name if failed.thread else "?"
    text = "".join(traceback.format_exception(failed.exc_type, failed.exc_value, failed.exc_traceback))
    sys.stderr.write(f"Exception in thread {name}:\n{redact(text)}")
