"""Arms: how tables start and learn, and the usual ones by name."""

import difflib
from typing import Any, Literal

from pydantic import model_validator

from nmt_ablation.values import SIDES, Block, Positive, Rate, Side, Sizes, fail

Tying = Literal["none", "decoder", "all"]


class Arm(Block):
    """One way to start and tune the embeddings. Without any key both tables start at random and
    learn like the rest of the model."""

    vectors: str | None = None
    """The name of a set of vectors that tables start from."""
    side: Literal["source", "target", "both"] = "both"
    """The tables that the arm speaks of; the other one starts at random, and learns."""
    tuning: Literal["frozen", "finetuned", "thawed"] = "finetuned"
    """Never updated, updated always, or not before `thaw_at`. Frozen without vectors is a control:
    what freezing alone does."""
    thaw_at: Positive | None = None
    """The number of updates for which a thawed table stands still."""
    learning_rate: Rate = 1.0
    """Of the tables, as a multiple of the rest's."""
    scale: Literal["matched", "raw"] = "matched"
    """Vectors of length 1, as random rows have on average, or as they come."""
    dimension: Literal["as-is", "pca", "projection"] = "as-is"
    """Vectors of the model's width; or reduced to it by principal components; or of any width, with
    a projection that is learnt."""
    shuffled: bool = False
    """Give each token the vector of another, by chance: a control with the same numbers, which say
    nothing about words any more."""
    tying: Tying | None = None
    """`model.tying`, if it is not the model's."""
    sizes: Sizes | None = None
    """Those of the experiment's at which it is trained; all of them if none are named."""

    @model_validator(mode="after")
    def _speaks_of_something(self) -> "Arm":
        of_vectors = {"scale", "dimension", "shuffled"} & self.model_fields_set
        if self.vectors is None and of_vectors:
            names = ", ".join(sorted(of_vectors))
            raise ValueError(f"{names}: speaks of vectors, and this arm names none")
        if (self.thaw_at is not None) != (self.tuning == "thawed"):
            raise ValueError("thaw_at goes with tuning: thawed, and that with thaw_at")
        if self.tuning == "frozen" and self.learning_rate != 1:
            raise ValueError("a frozen table has no learning rate")
        if "side" in self.model_fields_set and not self.differs:
            raise ValueError("side speaks of tables that differ, and here neither does")
        return self

    @property
    def sides(self) -> tuple[Side, ...]:
        """The sides whose tables the arm speaks of."""
        return SIDES if self.side == "both" else (self.side,)

    @property
    def differs(self) -> bool:
        """Whether there is anything about its tables that a plain model's don't have."""
        return self.vectors is not None or self.tuning != "finetuned" or self.learning_rate != 1

    @property
    def vector_sides(self) -> tuple[Side, ...]:
        """The sides whose table starts from vectors."""
        return self.sides if self.vectors is not None else ()

    @property
    def has_own_parameters(self) -> bool:
        """Whether a table is more than a table: computed from what is learnt."""
        return self.dimension == "projection" or self.learning_rate != 1


READY_MADE: dict[str, dict[str, Any]] = {
    "random": {"vectors": None},
    "finetuned": {},
    "frozen": {"tuning": "frozen"},
    "slow": {"learning_rate": 0.1},
    "source-only": {"side": "source"},
    "target-only": {"side": "target"},
    "raw-scale": {"scale": "raw"},
    "frozen-random": {"vectors": None, "tuning": "frozen"},
    "shuffled": {"shuffled": True},
    "frozen-shuffled": {"shuffled": True, "tuning": "frozen"},
}
"""The usual arms, and the controls, by name; all but those that say otherwise have the one set of
vectors that there is."""


def ready_made(names: list[Any], vectors: Any) -> dict[str, Any]:
    """Arms of a list of names."""
    sets = list(vectors) if isinstance(vectors, dict) else []
    arms = {}
    for at, name in enumerate(names):
        if name in names[:at]:
            fail(("arms", at), f"'{name}' stands here twice")
        if not isinstance(name, str) or name not in READY_MADE:
            near = difflib.get_close_matches(str(name), READY_MADE, n=1)
            hint = f" (did you mean '{near[0]}'?)" if near else ""
            known = ", ".join(READY_MADE)
            fail(("arms", at), f"no ready-made arm is called '{name}'{hint}; there are: {known}")
        arm = {"vectors": sets[0] if len(sets) == 1 else None} | READY_MADE[name]
        if arm["vectors"] is None and "vectors" not in READY_MADE[name]:
            fail(
                ("arms", at),
                f"'{name}' has the one set of vectors that there is, and there are {len(sets)}; "
                "write arms as a mapping, and name the vectors of each",
            )
        arms[name] = {key: value for key, value in arm.items() if value is not None}
    return arms
