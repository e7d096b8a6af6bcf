from collections.abc import Iterator
from typing import Any, Literal

from pydantic import model_validator

from nmt_ablation.model.config import Tying
from nmt_ablation.model.parts import PARTS, Part, Sees
from nmt_ablation.objectives import PARTS_OF, Named, Objective, Stack
from nmt_ablation.objectives.auxiliary import needs_one_dictionary
from nmt_ablation.pretrained.kind import (
    GivenNetwork,
    PretrainedNetwork,
    Problem,
    Setting,
    TextName,
)
from nmt_ablation.pretrained.records import NetworkRecord
from nmt_ablation.values import SIDES, NotNegative, Positive, Rate, Seed, Share, Side, fail


class Network(PretrainedNetwork):
    """A whole network, pretrained here: the NMT model's own architecture, with its dictionaries,
    learns an objective from text before it learns to translate."""

    kind: Literal["network"]
    objective: Named
    """The objective that the network learns: its name, or `{NAME: {settings of its noise}}`."""
    text: TextName = "monolingual"
    """The text: all monolingual text, the cell's own sample, or sentence pairs under
    `corpora.further`. The sample is a control without knowledge from outside."""
    languages: Literal["both", "source", "target"] = "both"
    """The sides whose text it learns from."""
    lines: Positive | None = None
    """The number of lines of each side that are used, from the start of the text; all if it is
    None."""
    updates: Positive
    """The number of updates. The learning rate falls to nothing at the last."""
    validate_every: Positive = 500
    """The number of updates between two measurements of the loss on held-out lines; a checkpoint to
    resume from is written at each."""
    batch_tokens: Positive = 2048
    """The most tokens of a batch."""
    learning_rate: Rate = 0.002
    """The learning rate at the end of the warm-up."""
    warmup_updates: NotNegative | None = None
    """The number of updates in which the learning rate rises; a tenth of all, and at most 500, if
    it is None."""
    weight_decay: NotNegative | Rate = 0.01
    """The weight decay of AdamW."""
    clip_norm: NotNegative | Rate = 1.0
    """The longest gradient; longer ones are shortened to it. 0 shortens none."""
    dropout: Share = 0.1
    """The rate of dropout while the network is pretrained."""
    seed: Seed | Literal["cell"] | None = None
    """The seed, or `cell` for the seed of each cell. Without the key, a network of the sample has
    the cell's, and any other has seed 1: one network then serves all seeds of a size, and no
    interval shows its own luck."""

    @model_validator(mode="after")
    def _in_time(self) -> "Network":
        if self._warmup() >= self.updates:
            fail(
                ("warmup_updates",),
                f"the learning rate would still rise when the {self.updates:,} updates end; lower "
                "warmup_updates, or raise updates",
            )
        return self

    @property
    def learns(self) -> Objective:
        """The objective."""
        (objective,) = self.objective.values()
        return objective

    @property
    def says(self) -> str:
        return next(iter(self.objective))

    @property
    def reads(self) -> tuple[Stack, tuple[Sees, ...]]:
        return self.learns.stacks[0], self.learns.views

    @property
    def shared(self) -> bool:
        return True

    def sides(self, setting: Setting) -> tuple[Side, ...]:
        return SIDES if self.languages == "both" else (self.languages,)

    def seed_of(self, cell: int) -> int:
        seed = self.seed
        if seed is None:
            seed = "cell" if self.text == "sample" else 1
        return cell if seed == "cell" else seed

    def parts(self, setting: Setting) -> tuple[Part, ...]:
        stacks = self.learns.stacks
        if len(stacks) > 1:
            return PARTS
        has = set(PARTS_OF[stacks[0]])
        if setting.segmentation.joint:  # one matrix serves as embeddings and as the output layer
            has |= {"source-embeddings", "target-embeddings", "output-layer"}
        return tuple(part for part in PARTS if part in has)

    def problems(self, setting: Setting) -> Iterator[Problem]:
        if self.learns.teaches_itself:
            yield (
                ("objective",),
                f"a network alone learns nothing from {self.says}, as it would learn from its own "
                "predictions; write this objective under an arm's auxiliary",
            )
        yield from problems_of_text(self.learns, self.text, self.sides(setting), setting)
        if self.text != "sample" and setting.segmentation.fit_on == "sample":
            yield (
                ("text",),
                "the segmentation would differ with each sample, and this network is trained "
                "once; set segmentation.fit_on to monolingual or pool, or text to sample",
            )

    def parameters(self, setting: Setting) -> dict[str, Any]:
        return {
            **self.model_dump(mode="json", exclude={"text", "lines", "seed", "warmup_updates"}),
            "warmup_updates": self._warmup(),
            "objective_version": self.learns.version,
            "model": setting.model.model_dump(mode="json", exclude={"dropout", "tying"}),
            "joint": setting.segmentation.joint,
            "precision": setting.precision,
            "threads": setting.threads,
        }

    def build(self, given: GivenNetwork) -> NetworkRecord:
        from nmt_ablation.pretrained.pretraining.launch import pretrain
        from nmt_ablation.pretrained.pretraining.plan import Plan

        setting = given.setting
        tying: Tying = "all" if setting.segmentation.joint else "decoder"
        return pretrain(
            Plan(
                objective=self.learns,
                languages=given.languages,
                texts=given.texts,
                dictionaries=given.dictionaries,
                tying=tying,
                model=setting.model.model_copy(update={"dropout": self.dropout}),
                updates=self.updates,
                validate_every=self.validate_every,
                batch_tokens=self.batch_tokens,
                learning_rate=self.learning_rate,
                warmup_updates=self._warmup(),
                weight_decay=self.weight_decay,
                clip_norm=self.clip_norm,
                precision=setting.precision,
                threads=setting.threads,
                seed=given.seed,
                weights=given.weights,
                where=given.where,
                progress=given.progress,
            )
        )

    def _warmup(self) -> int:
        if self.warmup_updates is None:
            return min(500, self.updates // 10)
        return self.warmup_updates

    def cites(self) -> tuple[str, ...]:
        return self.learns.cites()


def problems_of_text(
    objective: Objective, text: TextName, sides: tuple[Side, ...], setting: Setting
) -> Iterator[Problem]:
    """Yield the reasons why an objective can't read a text.

    Args:
        sides: the sides whose text it would read.
    """
    if text not in ("monolingual", "sample", *setting.further):
        allowed = ", ".join(("monolingual", "sample", *setting.further))
        yield ("text",), f"there is no text '{text}' under corpora.further; allowed: {allowed}"
    elif objective.pairs and text == "monolingual":
        pairs = ", ".join(("sample", *setting.further))
        yield (
            ("text",),
            "the objective reads sentence pairs, and monolingual text has none; set text to one of "
            f"{pairs}, or name further pairs under corpora.further",
        )
    elif text == "monolingual":
        for side in sides:
            if side not in setting.monolingual:
                yield (
                    ("text",),
                    f"needs text in {setting.languages[side]}: name corpora under "
                    "corpora.monolingual, or set languages or text",
                )
    if objective.pairs and sides != SIDES:
        yield ("languages",), "the objective reads both sides of sentence pairs; set it to both"
    if needs_one_dictionary(objective, sides) and not setting.segmentation.joint:
        yield (
            ("objective",),
            f"{' and '.join(objective.stacks)} would read text of {' and '.join(sides)}, which "
            "needs one dictionary for both languages: set segmentation.joint",
        )
