"""The comparisons that an experiment asks for, read from the definition in its report."""

from pydantic import BaseModel, ConfigDict, JsonValue

from nmt_ablation.experiment import Cell, Experiment
from nmt_ablation.results.looks import Looks
from nmt_ablation.results.rows import Verdict
from nmt_ablation.scoring.metric import Measure
from nmt_ablation.values import Size, size_limit

Definition = dict[str, JsonValue]
"""A whole experiment file as JSON, defaults included."""


DECLARED = ("verdict.looks", "predictions")
"""The keys whose lists are declared before anything is scored, and not added to."""


class DesignedArm(BaseModel):
    """The start and tuning of an arm, and its sizes; None if it has all of the experiment's."""

    model_config = ConfigDict(frozen=True)

    start: dict[str, str] = {}
    tuning: dict[str, dict[str, JsonValue]] = {}
    features: dict[str, dict[str, JsonValue]] = {}
    auxiliary: dict[str, dict[str, JsonValue]] = {}
    back_translation: dict[str, JsonValue] | None = None
    control: str | None = None
    tying: str | None = None
    sizes: list[Size] | None = None

    @property
    def what(self) -> str:
        """The pretrained things that it starts from or is fed by, or `nothing`: its family."""
        fed = [str(it["of"]) for it in self.features.values()]
        return " and ".join(dict.fromkeys([*self.start.values(), *fed])) or "nothing"

    @property
    def where(self) -> str:
        """The parts that start from them."""
        return ", ".join(self.start)

    @property
    def how(self) -> str:
        """The tuning, features, auxiliary objectives, back-translation, control and tying."""
        said = []
        for part, ways in self.tuning.items():
            for way, value in ways.items():
                at = "" if value is True else f" {value}"
                said.append(f"{way}{at}" if part in self.start else f"{part}: {way}{at}")
        said = said or (["fine-tuned"] if self.start else [])
        for side, it in self.features.items():
            words = ["tuned "] if it["tuned"] else []
            words += ["random "] if it["control"] else []
            said.append(f"{''.join(words)}features {it['enters']} {side}-embeddings")
        said += [f"learns {name} beside" for name in self.auxiliary]
        if self.back_translation:
            said.append(f"back-translation at {self.back_translation['ratio']:g} to 1")
        said += [self.control] if self.control else []
        return ", ".join([*said, f"tying: {self.tying}"] if self.tying else said)


class DesignedTraining(BaseModel):
    """The threads and processes of a training."""

    model_config = ConfigDict(frozen=True)

    threads: int = 1
    processes: int = 1


class DesignedVerdict(BaseModel):
    """The smallest gain of interest, and the number of seeds at each look."""

    model_config = ConfigDict(frozen=True)

    smallest_gain: float | None = None
    looks: tuple[int, ...] = ()


class DesignedPrediction(BaseModel):
    """A verdict that is expected of an arm."""

    model_config = ConfigDict(frozen=True)

    arm: str
    expected: Verdict
    than: str | None = None
    sizes: list[Size] | None = None


class Design(BaseModel):
    """The sizes, seeds, arms and contrasts of a definition; its other keys are ignored."""

    model_config = ConfigDict(frozen=True)

    sizes: list[Size]
    seeds: list[int]
    arms: dict[str, DesignedArm]
    baseline: str
    contrasts: list[tuple[str, str]] = []
    predictions: list[DesignedPrediction] = []
    training: DesignedTraining = DesignedTraining()
    verdict: DesignedVerdict = DesignedVerdict()

    @classmethod
    def of(cls, experiment: Experiment) -> "Design":
        """Return the design of an experiment, as reports read it."""
        return cls.model_validate(experiment.model_dump(mode="json"))

    def sizes_of(self, arm: str) -> set[Size]:
        """Return the sizes at which an arm is trained."""
        return set(self.arms[arm].sizes or self.sizes)

    def smallest_gains(self, primary: str, measure: Measure) -> dict[str, float]:
        """Return the smallest gain of interest by metric: of the primary one, if there is one."""
        gain = self.verdict.smallest_gain or measure.smallest_gain
        return {} if gain is None else {primary: gain}

    def looks(self, primary: str) -> Looks | None:
        """Return the looks at which a metric decides, if there are some."""
        counts = self.verdict.looks
        return Looks(counts, tuple(self.seeds), primary) if counts else None

    @property
    def families(self) -> list[str]:
        """The arms, those that start from the same things together."""
        first = list(dict.fromkeys(arm.what for arm in self.arms.values()))
        return sorted(self.arms, key=lambda name: first.index(self.arms[name].what))

    @property
    def asked(self) -> list[tuple[Size, str, str]]:
        """The size and both arms of all comparisons, with the baseline and others."""
        arms = [(arm, self.baseline) for arm in self.arms if arm != self.baseline]
        return [
            (size, arm, other)
            for size in self.sizes
            for arm, other in (*arms, *self.contrasts)
            if size in self.sizes_of(arm) & self.sizes_of(other)
        ]

    @property
    def compared(self) -> list[int]:
        """The number of arms compared with the baseline at each size, finished or not."""
        arms = [self.sizes_of(arm) for arm in self.arms if arm != self.baseline]
        return [sum(size in of_arm for of_arm in arms) for size in self.sizes]

    @property
    def contrasted(self) -> int:
        """The number of comparisons of two other arms, finished or not."""
        return sum(len(self.sizes_of(one) & self.sizes_of(two)) for one, two in self.contrasts)

    def rank(self, cell: Cell) -> tuple[float, int, int]:
        """Return a cell's place among the experiment's cells, for sorting."""
        pairs = size_limit(cell.size)[0] or float("inf")
        return pairs, self.seeds.index(cell.seed), list(self.arms).index(cell.arm)


def differences(old: JsonValue, new: JsonValue, where: str = "") -> list[str]:
    """List the keys at which a definition changes an older one.

    Additions, such as a size or an arm, are no changes, but those to what is declared are.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        found = ["predictions were added"] if "predictions" in new.keys() - old.keys() else []
        for key, value in old.items():
            at = f"{where}.{key}" if where else key
            if key not in new:
                found.append(f"{at} is gone")
            else:
                found += differences(value, new[key], at)
        return found
    if isinstance(old, list) and isinstance(new, list) and where not in DECLARED:
        left = [item for item in old if item not in new]
        return [f"{where}: {_short(item)} is gone" for item in left]
    return [] if old == new else [f"{where} was {_short(old)} and is {_short(new)}"]


def _short(value: JsonValue) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
