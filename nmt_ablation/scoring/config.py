"""The scoring block of an experiment file."""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    SerializeAsAny,
    StringConstraints,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from nmt_ablation.scoring import loss
from nmt_ablation.scoring.bleu import Bleu, BleuTokenizer
from nmt_ablation.scoring.chrf import Chrf
from nmt_ablation.scoring.metric import Measure, Metric
from nmt_ablation.scoring.metrics import METRICS
from nmt_ablation.values import Block, JsonSchema, Written, fail

MetricName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.+-]{0,31}$")]


def _usual() -> dict[str, Metric]:
    return {"bleu": Bleu(), "chrf": Chrf()}


def _of_its_kind(block: object) -> object:
    """Return a metric of the kind that its block names."""
    if not isinstance(block, dict):
        return block
    kind = block["kind"]
    if kind not in METRICS:
        allowed = ", ".join(METRICS.names())
        raise PydanticCustomError(
            "unknown_metric", f"there is no metric '{kind}'; allowed: {allowed}"
        )
    return METRICS[kind].model_validate(block)


def _schema(of: Callable[[type[BaseModel]], JsonSchema]) -> JsonSchema:
    """Return the JSON Schema of metrics: a block of a kind's own name needs no `kind`."""
    blocks = {name: of(METRICS[name]) for name in METRICS.names()}

    def without_kind(block: JsonSchema) -> JsonSchema:
        needed = [key for key in block.get("required", ()) if key != "kind"]
        either = [{**block, "required": needed}, {"type": "null"}]
        return {"anyOf": either, "description": block["description"]}

    return {
        "type": "object",
        "minProperties": 1,
        "properties": {name: without_kind(block) for name, block in blocks.items()},
        "additionalProperties": {"anyOf": list(blocks.values())},
    }


class Scoring(Block):
    """The metrics of an experiment."""

    metrics: Annotated[
        dict[MetricName, Annotated[SerializeAsAny[Metric], BeforeValidator(_of_its_kind)]],
        Field(min_length=1),
        Written(lambda own, of: _schema(of)),
    ] = Field(default_factory=_usual)
    """The metrics by name: a kind's own name, or another one with `kind` in the block."""
    primary: str = ""
    """The metric that the verdict and the figure go by; by default the first."""

    @model_validator(mode="before")
    @classmethod
    def _moved_keys(cls, data: Any) -> Any:
        if isinstance(data, dict) and "bleu_tokenizer" in data:
            fail(
                ("scoring", "bleu_tokenizer"),
                "is now an option of the metric; write metrics: "
                f"{{bleu: {{tokenizer: {data['bleu_tokenizer']}}}, chrf: {{}}}}",
            )
        return data

    @field_validator("metrics", mode="before")
    @classmethod
    def _kinds_by_names(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {
            name: {"kind": str(name), **(block or {})} if isinstance(block, dict | None) else block
            for name, block in data.items()
        }

    @model_validator(mode="after")
    def _known_primary(self) -> "Scoring":
        if loss.NAME in self.metrics:
            fail(
                ("scoring", "metrics", loss.NAME),
                "is what reports call the cross-entropy of references; name the metric otherwise",
            )
        if not self.primary:
            object.__setattr__(self, "primary", next(iter(self.metrics)))
        if self.primary not in self.metrics:
            fail(
                ("scoring", "primary"),
                f"no metric is called '{self.primary}'; allowed: {', '.join(self.metrics)}",
            )
        return self

    @classmethod
    def usual(cls, bleu_tokenizer: BleuTokenizer) -> "Scoring":
        """Return the default metrics with a tokenizer for BLEU."""
        return cls(metrics=_usual() | {"bleu": Bleu(tokenizer=bleu_tokenizer)})

    @property
    def bleu_tokenizer(self) -> BleuTokenizer:
        """The tokenizer of BLEU, also of BLEU on the validation set."""
        bleu = (it for it in self.metrics.values() if isinstance(it, Bleu))
        return next((it.tokenizer for it in bleu), "13a")

    @property
    def measures(self) -> dict[str, Measure]:
        """The facts about all metrics for a report, the primary one first."""
        order = dict.fromkeys([self.primary, *self.metrics])
        return {name: self.metrics[name].measure for name in order}

    @property
    def cites(self) -> list[str]:
        """The references of all metrics, each once."""
        return list(dict.fromkeys(key for it in self.metrics.values() for key in it.cites))

    @property
    def versions(self) -> dict[str, str]:
        """The versions of the packages behind the metrics."""
        found = {it.package: it.version() for it in self.metrics.values()}
        return {package: known for package, known in found.items() if package and known}

    def check(self) -> None:
        """Check that all metrics can be used on this machine, before anything is trained.

        Raises:
            UserError: one can't; the message names the remedy.
        """
        for metric in self.metrics.values():
            metric.check()
