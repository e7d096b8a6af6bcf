"""A metric that a command of the user's computes."""

import math
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from nmt_ablation.errors import UserError
from nmt_ablation.scoring.metric import Measure, Metric

if TYPE_CHECKING:
    import numpy as np

LAST_LINES = 3


class Command(Metric):
    """A command that prints a number for each sentence, one a line, and nothing else.

    The corpus score is their mean.
    """

    kind: Literal["command"] = "command"
    command: Annotated[list[str], Field(min_length=1)]
    """The program and its arguments, in which {hypotheses}, {references} and {sources} stand for
    files of a sentence a line. No shell reads them; write [sh, -c, ...] for one."""
    label: Annotated[str, Field(min_length=1, max_length=20)] = "score"
    """The display name."""
    higher_is_better: bool = True
    """True if a higher number is a better translation."""
    lowest: float | None = None
    """The lowest possible score, for figures; none if it is None."""
    highest: float | None = None
    """The highest possible score, for figures; none if it is None."""
    decimals: Annotated[int, Field(strict=True, ge=0, le=6)] = 1
    """The digits after the point that reports show."""

    @model_validator(mode="after")
    def _reads_hypotheses(self) -> "Command":
        if not any("{hypotheses}" in argument for argument in self.command):
            raise ValueError("write {hypotheses} where the command takes the file of translations")
        return self

    @property
    def measure(self) -> Measure:
        return Measure(
            label=self.label,
            higher_is_better=self.higher_is_better,
            lowest=self.lowest,
            highest=self.highest,
            decimals=self.decimals,
        )

    @property
    def signature(self) -> str:
        return f"mean:sentences|command:{shlex.join(self.command)}"

    def check(self) -> None:
        if shutil.which(self.command[0]) is None:
            raise UserError(
                f"{self.label}: there is no program {self.command[0]}; install it, or write its "
                "whole path in scoring.metrics"
            )

    def statistics(
        self, hypotheses: Sequence[str], references: Sequence[str], sources: Sequence[str]
    ) -> "np.ndarray":
        import numpy as np

        with tempfile.TemporaryDirectory() as folder:
            command = list(self.command)
            for name, lines in (
                ("hypotheses", hypotheses),
                ("references", references),
                ("sources", sources),
            ):
                path = Path(folder) / f"{name}.txt"
                path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
                command = [argument.replace(f"{{{name}}}", str(path)) for argument in command]
            try:
                done = subprocess.run(command, capture_output=True, text=True, check=True)
            except OSError as error:
                raise UserError(f"{self.label}: {self.command[0]}: {error.strerror}") from None
            except subprocess.CalledProcessError as error:
                said = " / ".join(error.stderr.strip().splitlines()[-LAST_LINES:])
                raise UserError(
                    f"{self.label}: {shlex.join(self.command)} ended with exit code "
                    f"{error.returncode}: {said or 'nothing on its standard error'}"
                ) from None
        scores = [self._number(line) for line in done.stdout.splitlines()]
        if len(scores) != len(hypotheses):
            raise UserError(
                f"{self.label}: {shlex.join(self.command)} printed {len(scores):,} numbers for "
                f"{len(hypotheses):,} sentences; it must print one for each, a line each"
            )
        return np.array([scores, np.ones(len(scores))]).T

    def value(self, sums: "np.ndarray") -> float:
        return float(sums[0] / sums[1])

    def _number(self, line: str) -> float:
        try:
            number = float(line)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise UserError(
                f"{self.label}: {shlex.join(self.command)} printed {line!r}, which is no number; "
                "it must print a number for each sentence and nothing else"
            )
        return number
