"""The whole question, and the rules that its parts have to keep."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from nmt_ablation.analysis import Analyses, Analysis, all_of_them
from nmt_ablation.corpus.config import Cleaning, HeldOut, OwnText, TextFile
from nmt_ablation.experiment.arm_rules import check_arm
from nmt_ablation.experiment.arms import Arm, or_listed, ready_made
from nmt_ablation.experiment.corpora import Corpora, SideTexts
from nmt_ablation.experiment.verdict import Prediction, VerdictRule
from nmt_ablation.model.config import Model, Tying
from nmt_ablation.model.parts import Part
from nmt_ablation.opus.corpora import MonolingualCorpus, ParallelCorpus, TextCorpus
from nmt_ablation.pretrained.kind import (
    AnyPretrained,
    PretrainedNetwork,
    PretrainedVectors,
    Setting,
)
from nmt_ablation.pretrained.parent import Parent
from nmt_ablation.pretrained.translator import Translator
from nmt_ablation.scoring.config import Scoring
from nmt_ablation.segmentation.config import SegmentationConfig
from nmt_ablation.training.config import Training
from nmt_ablation.translation.config import Decoding
from nmt_ablation.values import (
    LANGUAGE,
    SIDES,
    Block,
    Name,
    Seed,
    Side,
    Size,
    Sizes,
    Written,
    fail,
    size_limit,
)


class Experiment(Block):
    """The whole question."""

    renamed: ClassVar[Mapping[str, str]] = {
        "vectors": "pretrained: {NAME: {kind: word2vec}}, or kind fasttext, or vectors for files",
        "encoder": "pretrained: {NAME: {kind: checkpoint, path: …, revision: …}}",
    }

    name: Name
    """The name of the experiment, of its folder and of its report."""
    pair: str
    """Source and target language, as OPUS spells them: `de-en`."""
    corpora: Corpora
    cleaning: Cleaning = Cleaning()
    held_out: HeldOut
    sizes: Sizes
    """Numbers of training pairs (`5k`, `1M`), or `all` of the pool."""
    seeds: Annotated[list[Seed], Field(min_length=1)]
    """A seed draws the samples, and the weights, batches and dropout of their trainings."""
    segmentation: SegmentationConfig
    pretrained: dict[Name, AnyPretrained] = Field(default={})
    """Everything pretrained, by names of the user's own."""
    arms: Annotated[dict[Name, Arm], Field(min_length=1), Written(or_listed)]
    """Arms by names of the user's own, or a list of ready-made ones: `[random, finetuned]`."""
    baseline: str
    """The arm that the others are compared with."""
    contrasts: list[tuple[str, str]] = Field(default=[])
    """Further comparisons: pairs of arms. A gain is the first arm's over the second."""
    predictions: list[Prediction] = Field(default=[], exclude_if=lambda value: not value)
    """Verdicts that are expected; the report says which held."""
    model: Model = Model()
    training: Training = Training()
    decoding: Decoding = Decoding()
    scoring: Scoring = Scoring()
    verdict: VerdictRule = VerdictRule()
    analysis: Analyses = Field(default={}, exclude_if=lambda value: not value)
    """The analyses that `nmt-ablation analyse` makes of trained models: a list of their names, or
    their settings by name. [default: all]"""

    @model_validator(mode="before")
    @classmethod
    def _named_arms(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("arms"), list):
            return data
        if set(data) - set(cls.model_fields):  # which is said first, as it may be `pretrained`
            return data
        return data | {"arms": ready_made(data["arms"], data.get("pretrained"))}

    @property
    def analyses(self) -> Mapping[str, Analysis]:
        """The analyses to make of trained models."""
        return self.analysis or all_of_them()

    @property
    def source(self) -> str:
        return self.pair.split("-")[0]

    @property
    def target(self) -> str:
        return self.pair.split("-")[1]

    @property
    def setting(self) -> Setting:
        """The facts about the experiment that pretrained things may use."""
        return Setting(
            languages={"source": self.source, "target": self.target},
            model=self.model,
            precision=self.training.precision,
            threads=self.training.threads,
            segmentation=self.segmentation,
            monolingual=self.corpora.text_sides(),
            further=tuple(self.corpora.further),
        )

    @property
    def names_of_vectors(self) -> tuple[str, ...]:
        """The names of the pretrained things that are vectors; all others have layers."""
        return tuple(
            name for name, it in self.pretrained.items() if isinstance(it, PretrainedVectors)
        )

    def vectors(self, name: str) -> PretrainedVectors:
        """Return a pretrained thing that is vectors."""
        thing = self.pretrained[name]
        assert isinstance(thing, PretrainedVectors)
        return thing

    def network(self, name: str) -> PretrainedNetwork:
        """Return a pretrained thing that is a network."""
        thing = self.pretrained[name]
        assert isinstance(thing, PretrainedNetwork)
        return thing

    def parent(self, name: str) -> Parent:
        """Return a pretrained thing that is a parent."""
        thing = self.pretrained[name]
        assert isinstance(thing, Parent)
        return thing

    def network_starts(self, arm: Arm) -> dict[Part, str]:
        """Return the network, parent or published model that each part of an arm starts from, by
        name."""
        vectors = self.names_of_vectors
        return {part: name for part, name in arm.starts.items() if name not in vectors}

    def published_in(self, cells: Iterable["Cell"]) -> list[str]:
        """Return the published models with layers that the arms of some cells use."""
        return [name for name in self.fetched_in(cells) if self.pretrained[name].reads]

    def fetched_in(self, cells: Iterable["Cell"]) -> list[str]:
        """Return all that was published and that the arms of some cells use, in its order."""
        arms = [self.arms[cell.arm] for cell in cells]
        used = {name for arm in arms for name in arm.starts.values()}
        used |= {it.of for arm in arms for it in arm.features.values() if it.control is None}
        return [name for name, it in self.pretrained.items() if it.fetches and name in used]

    def translator(self, name: str) -> Translator:
        """Return a pretrained thing that is a published translator."""
        thing = self.pretrained[name]
        assert isinstance(thing, Translator)
        return thing

    @property
    def translators(self) -> list[str]:
        """The names of the published translators that are scored as they are."""
        return [name for name, it in self.pretrained.items() if it.scored]

    def tying(self, arm: Arm) -> Tying:
        """Return the tying of an arm's model: the arm's own, or else the experiment's."""
        return arm.tying or self.model.tying

    def sizes_of(self, arm: str) -> Sequence[Size]:
        """Return the sizes at which an arm is trained."""
        return self.arms[arm].sizes or self.sizes

    def language(self, side: Side) -> str:
        return self.source if side == "source" else self.target

    def cells(self) -> list["Cell"]:
        """Return all cells, the smallest size first, so that results come early."""
        order = sorted(self.sizes, key=lambda size: size_limit(size)[0] or float("inf"))
        return [
            Cell(size=size, arm=name, seed=seed)
            for size in order
            for seed in self.seeds
            for name in self.arms
            if size in self.sizes_of(name)
        ]

    @model_validator(mode="after")
    def _consistent(self) -> "Experiment":
        """Refuse an experiment whose parts contradict each other, with all mistakes of a step: the
        checks of one step rely on those of the steps before."""
        for checks in self._steps():
            errors = [error for check in checks if (error := _failure(check))]
            if errors:
                raise ValidationError.from_exception_data(
                    "Experiment", [InitErrorDetails(type=it, loc=(), input=None) for it in errors]
                )
        return self

    def _steps(self) -> Iterator[list[Callable[[], None]]]:
        """Yield lists of checks."""
        yield [self._of_one_pair, self._one_axis, self._looks_and_sizes_that_can_be]
        yield [
            self._checkpoint_that_segments,
            self._text_to_fit_on,
            *(partial(self._pretrained_that_fits, name) for name in self.pretrained),
        ]
        yield [
            *(partial(check_arm, self, name, arm) for name, arm in self.arms.items()),
            self._baseline_that_can_be,
            *(partial(self._contrast_that_can_be, at) for at in range(len(self.contrasts))),
        ]
        yield [partial(self._prediction_that_can_be, at) for at in range(len(self.predictions))]

    def _of_one_pair(self) -> None:
        if not re.fullmatch(f"{LANGUAGE}-{LANGUAGE}", self.pair):
            fail(("pair",), f"'{self.pair}' is no pair; write source-target, e.g. de-en")
        if self.source == self.target:
            fail(("pair",), "source and target are the same language")
        self._distinct(("corpora", "parallel"), self.corpora.parallel)
        monolingual = self.corpora.monolingual
        if isinstance(monolingual, SideTexts):
            for side in SIDES:
                self._distinct(("corpora", "monolingual", side), self.corpora.texts(side))
        elif monolingual != "rest":
            self._distinct(("corpora", "monolingual"), monolingual)
        elif "all" in self.sizes:
            fail(
                ("corpora", "monolingual"),
                "rest is empty, as the size all takes the whole pool; name corpora, or leave that "
                "size out",
            )
        self._beside_the_pool()

    def _beside_the_pool(self) -> None:
        """Refuse further pairs that are the pool's, or that have the name of another text."""
        pooled = [_pairs_of(it, self.pair) for it in self.corpora.parallel]
        for name, further in self.corpora.further.items():
            where = "corpora", "further", name
            if name in ("monolingual", "sample"):
                fail(where, f"'{name}' already stands for another text; choose another name")
            for at, corpus in enumerate(further.parallel):
                if _pairs_of(corpus, further.pair or self.pair) in pooled:
                    fail(
                        (*where, "parallel", at),
                        f"{corpus} is in corpora.parallel too, so all of its pairs are in the "
                        "pool; name another corpus, or take it out there",
                    )
        for at, name in enumerate(self.segmentation.also):
            if name not in self.corpora.further:
                allowed = ", ".join(self.corpora.further) or "none, as there are no such pairs"
                fail(
                    ("segmentation", "also", at),
                    f"'{name}' is no name under corpora.further; allowed: {allowed}",
                )

    def _distinct(
        self,
        where: tuple[str, ...],
        corpora: Sequence[MonolingualCorpus | OwnText | TextCorpus | TextFile],
    ) -> None:
        """Refuse corpora that stand in a list twice, or whose languages are swapped."""
        names = [str(corpus) for corpus in corpora]
        for at, corpus in enumerate(corpora):
            if names[at] in names[:at]:
                fail((*where, at), f"{names[at]} stands here twice")
            swapped = f"{self.target}-{self.source}"
            if isinstance(corpus, MonolingualCorpus) and corpus.pair == swapped:
                fail(
                    (*where, at, "pair"),
                    f"{corpus.pair} swaps source and target; write them as pair has them "
                    f"({self.pair}), however the corpus's files are called",
                )

    def _one_axis(self) -> None:
        if len({size_limit(size)[1] for size in self.sizes if size != "all"}) > 1:
            fail(("sizes",), "some count pairs and some tokens; use one unit, for one axis")
        for key in ("sizes", "seeds"):
            values = getattr(self, key)
            for at, value in enumerate(values):
                if value in values[:at]:
                    fail((key, at), f"{value} stands here twice")

    def _looks_and_sizes_that_can_be(self) -> None:
        for size in self.training.max_updates_at:
            if size not in self.sizes:
                fail(("training", "max_updates_at"), f"{size} is none of the experiment's sizes")
        if self.verdict.looks and self.verdict.looks[-1] > len(self.seeds):
            fail(
                ("verdict", "looks"),
                f"the last look is at {self.verdict.looks[-1]} seeds, and there are "
                f"{len(self.seeds)}; list as many under seeds",
            )

    def _checkpoint_that_segments(self) -> None:
        checkpoint = self.segmentation.checkpoint
        if checkpoint is not None:
            thing = self.pretrained.get(checkpoint)
            if thing is None or not thing.fetches or thing.scored:
                fail(
                    ("segmentation", "checkpoint"),
                    f"no checkpoint is called '{checkpoint}'; name it under pretrained, with "
                    "{kind: checkpoint, path: …}",
                )

    def _pretrained_that_fits(self, name: str) -> None:
        for keys, message in self.pretrained[name].problems(self.setting):
            fail(("pretrained", name, *keys), message)

    def _text_to_fit_on(self) -> None:
        if self.segmentation.fit_on == "monolingual" and self.corpora.text_sides() != SIDES:
            fail(
                ("segmentation", "fit_on"),
                "needs text of both languages: name corpora under corpora.monolingual",
            )

    def _baseline_that_can_be(self) -> None:
        if self.baseline not in self.arms:
            fail(
                ("baseline",),
                f"no arm is called '{self.baseline}'; allowed: {', '.join(self.arms)}",
            )
        if self.arms[self.baseline].sizes is not None:
            fail(("arms", self.baseline, "sizes"), "the baseline needs all sizes; leave sizes out")
        if self.arms[self.baseline].start:
            fail(("baseline",), f"'{self.baseline}' has a start; the baseline must have none")

    def _contrast_that_can_be(self, at: int) -> None:
        both = self.contrasts[at]
        for one in both:
            if one not in self.arms:
                allowed = ", ".join(self.arms)
                fail(("contrasts", at), f"no arm is called '{one}'; allowed: {allowed}")
        if len(set(both)) < 2 or self.baseline in both:
            fail(
                ("contrasts", at),
                "write two arms other than the baseline, which every arm is compared with anyway",
            )
        if not set(self.sizes_of(both[0])) & set(self.sizes_of(both[1])):
            fail(("contrasts", at), f"{both[0]} and {both[1]} have no size in common")

    def _prediction_that_can_be(self, at: int) -> None:
        """Refuse a prediction of what is not compared."""
        where, prediction = ("predictions", at), self.predictions[at]
        arm, than = prediction.arm, prediction.than or self.baseline
        known = [(one, self.baseline) for one in self.arms if one != self.baseline]
        if (arm, than) not in (*known, *self.contrasts):
            remedy = f"add [{arm}, {than}] to contrasts"
            if (than, arm) in self.contrasts:
                remedy = f"contrasts have [{than}, {arm}]; write it that way round"
            fail(where, f"{arm} is not compared with {than}: {remedy}")
        for size in prediction.sizes or ():
            if size not in self.sizes_of(arm) or size not in self.sizes_of(than):
                fail((*where, "sizes"), f"{arm} and {than} don't both have the size {size}")


def _failure(check: Callable[[], None]) -> PydanticCustomError | None:
    try:
        check()
    except PydanticCustomError as error:
        return error
    return None


def _pairs_of(corpus: ParallelCorpus | OwnText, pair: str) -> tuple[object, frozenset[str]]:
    """Return what tells the pairs of corpora apart: corpus and languages, in either order."""
    if isinstance(corpus, OwnText):
        return None, frozenset((corpus.source, corpus.target))
    return corpus.corpus.name, frozenset((corpus.pair or pair).split("-"))


class Cell(BaseModel):
    """A size, an arm and a seed: one trained model and its scores."""

    model_config = ConfigDict(frozen=True)

    size: Size
    arm: str
    seed: int

    def __str__(self) -> str:
        return f"{self.size}-{self.arm}-s{self.seed}"
