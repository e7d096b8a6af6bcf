"""The whole question, and the rules its parts have to keep."""

import re
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from nmt_ablation.experiment.arms import Arm, Tying, ready_made
from nmt_ablation.experiment.corpora import Cleaning, Corpora, HeldOut, OwnText
from nmt_ablation.experiment.model import Decoding, Model, Scoring, Training
from nmt_ablation.experiment.vectors import (
    Encoder,
    EncoderVectors,
    SegmentationConfig,
    TrainedVectors,
    VectorSource,
)
from nmt_ablation.values import (
    LANGUAGE,
    SIDES,
    Block,
    Name,
    Seed,
    Side,
    Size,
    Sizes,
    fail,
    size_limit,
)


class Experiment(Block):
    """The whole question."""

    name: Name
    pair: str
    """Source and target language, as OPUS spells them: `de-en`."""
    corpora: Corpora
    cleaning: Cleaning = Cleaning()
    held_out: HeldOut
    sizes: Sizes
    """Numbers of training pairs (`5k`, `1M`), or `all` of the pool."""
    seeds: Annotated[list[Seed], Field(min_length=1)]
    """A seed draws the samples, and the weights, batches and dropout of their trainings."""
    encoder: Encoder | None = None
    """Whose tokenizer and input embeddings are used, if any are."""
    segmentation: SegmentationConfig
    vectors: dict[Name, VectorSource] = Field({})
    arms: Annotated[dict[Name, Arm], Field(min_length=1)]
    """By names of your own; or a list of ready-made ones: `[random, finetuned, shuffled]`."""
    baseline: str
    """The arm that the others are compared with."""
    contrasts: list[tuple[str, str]] = Field([])
    """Pairs of arms that are compared with each other too: what the first is better by."""
    model: Model = Model()
    training: Training = Training()
    decoding: Decoding = Decoding()
    scoring: Scoring = Scoring()

    @model_validator(mode="before")
    @classmethod
    def _named_arms(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("arms"), list):
            return data | {"arms": ready_made(data["arms"], data.get("vectors"))}
        return data

    @property
    def source(self) -> str:
        return self.pair.split("-")[0]

    @property
    def target(self) -> str:
        return self.pair.split("-")[1]

    def tying(self, arm: Arm) -> Tying:
        """What an arm's model shares."""
        return arm.tying or self.model.tying

    def sizes_of(self, arm: str) -> Sequence[Size]:
        """At which an arm is trained."""
        return self.arms[arm].sizes or self.sizes

    def language(self, side: Side) -> str:
        return self.source if side == "source" else self.target

    def cells(self) -> list["Cell"]:
        """All cells, smallest size first, so that the curve grows while one waits."""
        order = sorted(self.sizes, key=lambda size: size_limit(size)[0] or float("inf"))
        return [
            Cell(size=size, arm=name, seed=seed)
            for size in order
            for seed in self.seeds
            for name in self.arms
            if size in self.sizes_of(name)
        ]

    @model_validator(mode="after")
    def _of_one_pair(self) -> "Experiment":
        if not re.fullmatch(f"{LANGUAGE}-{LANGUAGE}", self.pair):
            fail(("pair",), f"'{self.pair}' is no pair; write source-target, e.g. de-en")
        if self.source == self.target:
            fail(("pair",), "source and target are the same language")
        for key, corpora in (
            ("parallel", self.corpora.parallel),
            ("monolingual", self.corpora.monolingual),
        ):
            names = [str(corpus) for corpus in corpora]
            for at, name in enumerate(names):
                if name in names[:at]:
                    fail(("corpora", key, at), f"{name} stands here twice")
                corpus = corpora[at]
                if isinstance(corpus, OwnText):
                    continue
                if corpus.pair == f"{self.target}-{self.source}":
                    fail(
                        ("corpora", key, at, "pair"),
                        f"{corpus.pair} swaps source and target; write them as pair has them "
                        f"({self.pair}), however the corpus's files are called",
                    )
        return self

    @model_validator(mode="after")
    def _one_axis(self) -> "Experiment":
        if len({size_limit(size)[1] for size in self.sizes if size != "all"}) > 1:
            fail(("sizes",), "some are pairs and some tokens, and a curve has one axis")
        for key in ("sizes", "seeds"):
            values = getattr(self, key)
            for at, value in enumerate(values):
                if value in values[:at]:
                    fail((key, at), f"{value} stands here twice")
        return self

    @model_validator(mode="after")
    def _arms_that_can_be(self) -> "Experiment":
        for name, arm in self.arms.items():
            if arm.vectors is not None and arm.vectors not in self.vectors:
                allowed = ", ".join(self.vectors) or "none: there is no vectors block"
                fail(
                    ("arms", name, "vectors"),
                    f"no vectors are called '{arm.vectors}'; allowed: {allowed}",
                )
            for at, size in enumerate(arm.sizes or ()):
                if size not in self.sizes:
                    fail(("arms", name, "sizes", at), f"{size} is none of the experiment's sizes")
            shared = {"none": (), "decoder": ("target",), "all": SIDES}[self.tying(arm)]
            if shared and arm.tuning != "finetuned" and set(shared) & set(arm.sides):
                fail(
                    ("arms", name),
                    f"a {arm.tuning} table that is the output layer too (tying: "
                    f"{self.tying(arm)}) would freeze that; tie less, or choose another side",
                )
            if shared and arm.has_own_parameters:
                fail(
                    ("arms", name),
                    "a table with a projection or a learning rate of its own can't be tied; "
                    "set tying to none",
                )
            if self.tying(arm) == "all" and not self.segmentation.joint:
                fail(("arms", name), "tying: all needs one dictionary; set segmentation.joint")
            if self.tying(arm) == "all" and len(arm.vector_sides) == 1:
                fail(("arms", name), "tying: all leaves one table, so side must be both")
            if self.tying(arm) == "all" and arm.vectors and not self.vectors[arm.vectors].shared:
                fail(
                    ("arms", name),
                    "tying: all leaves one table, and the vectors are two sets, one for each side; "
                    "train them with joint: true, or name one file for both",
                )
        return self

    @model_validator(mode="after")
    def _vectors_of_tokens(self) -> "Experiment":
        if self.segmentation.type == "encoder" and self.encoder is None:
            fail(("segmentation", "type"), "needs an encoder: name one under encoder")
        for name, vectors in self.vectors.items():
            if isinstance(vectors, EncoderVectors):
                if self.segmentation.type != "encoder":
                    fail(
                        ("vectors", name),
                        "the encoder's rows are of its own pieces; set segmentation.type: encoder",
                    )
                continue
            if vectors.align is None:
                continue
            if isinstance(vectors, TrainedVectors) and vectors.joint:
                fail(("vectors", name, "align"), "joint vectors are in one space already")
            pieces = vectors.of == "tokens" and self.segmentation.type != "words"
            if pieces and vectors.align.lexicon != "induced":
                fail(
                    ("vectors", name, "align", "lexicon"),
                    "pieces of words stand in no lexicon; set of: words, or lexicon: induced",
                )
        return self

    @model_validator(mode="after")
    def _arms_to_compare(self) -> "Experiment":
        if self.baseline not in self.arms:
            fail(
                ("baseline",),
                f"no arm is called '{self.baseline}'; allowed: {', '.join(self.arms)}",
            )
        if self.arms[self.baseline].sizes is not None:
            fail(("arms", self.baseline, "sizes"), "the baseline is compared with at all sizes")
        if self.arms[self.baseline].vectors is not None:
            fail(("baseline",), f"'{self.baseline}' has vectors; the baseline must have none")
        for at, both in enumerate(self.contrasts):
            for one in both:
                if one not in self.arms:
                    allowed = ", ".join(self.arms)
                    fail(("contrasts", at), f"no arm is called '{one}'; allowed: {allowed}")
            if len(set(both)) < 2 or self.baseline in both:
                fail(
                    ("contrasts", at),
                    "write two arms, neither of them the baseline, which all are compared with",
                )
            if not set(self.sizes_of(both[0])) & set(self.sizes_of(both[1])):
                fail(("contrasts", at), f"{both[0]} and {both[1]} have no size in common")
        return self

    @model_validator(mode="after")
    def _text_to_fit_on(self) -> "Experiment":
        needs_text = (
            *(
                (("vectors", name), isinstance(it, TrainedVectors) and it.text == "monolingual")
                for name, it in self.vectors.items()
            ),
            (
                ("segmentation", "fit_on"),
                self.segmentation.fit_on == "monolingual",
            ),
        )
        for where, needed in needs_text:
            if needed and not self.corpora.monolingual:
                fail(where, "needs text: name corpora under corpora.monolingual")
        trained = [it for it in self.vectors.values() if isinstance(it, TrainedVectors)]
        of_monolingual = any(it.text == "monolingual" for it in trained)
        if self.segmentation.fit_on == "sample" and of_monolingual:
            fail(
                ("segmentation", "fit_on"),
                "vectors are trained on segmented monolingual text, which would differ with each "
                "sample; allowed here: monolingual, pool",
            )
        return self


class Cell(BaseModel):
    """size × arm × seed: one trained model and its scores."""

    model_config = ConfigDict(frozen=True)

    size: Size
    arm: str
    seed: int

    def __str__(self) -> str:
        return f"{self.size}-{self.arm}-s{self.seed}"
