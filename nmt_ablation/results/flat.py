"""Rows as flat columns, for CSV files and data frames."""

from collections.abc import Mapping, Sequence

from nmt_ablation.results.across import Pooled
from nmt_ablation.results.results import Results
from nmt_ablation.results.rows import CellRow, Gain, MeanRow

Value = str | int | float | None
Flat = dict[str, Value]


def cells(experiments: Sequence[Results]) -> list[Flat]:
    """Return a row for each finished cell."""
    rows = [row for results in experiments for row in results.cells]
    if not any(row.networks for row in rows):
        return list(map(_cell, rows))
    return [_cell(row) | _networks(row) for row in rows]


def means(experiments: Sequence[Results]) -> list[Flat]:
    """Return a row for each size and arm of each experiment."""
    return [_mean(results.name, row) for results in experiments for row in results.means]


def across(found: Sequence[Pooled]) -> list[Flat]:
    """Return a row for each comparison that several experiments share."""
    return [_pooled(each) for each in found]


def _pooled(row: Pooled) -> Flat:
    found: Flat = {"pairs": row.pairs, "arm": row.arm, "other": row.other}
    found |= {"experiments": " ".join(row.gains)}
    found |= _columns("gain", _gain(row.mean))
    return found | {"sd_between": row.between, "i2": row.share, "p_alike": row.p_alike}


def _cell(row: CellRow) -> Flat:
    training = row.training
    found: Flat = {"experiment": row.experiment, "pair": row.pair, "size": row.size}
    found |= {"pairs": row.pairs, "arm": row.arm, "seed": row.seed}
    found |= {name: score.value for name, score in row.scores.items()}
    found |= {f"gain_{name}": row.gains.get(name) for name in row.scores}
    for name in row.scores:
        test = row.tests.get(name)
        found[f"bootstrap_p_{name}"] = test.bootstrap if test else None
        found[f"randomisation_p_{name}"] = test.randomisation if test else None
    if training.learning_rate is not None:  # reports of before keep their columns
        found |= {"learning_rate": training.learning_rate}
    found |= {"ended_by": training.ended_by, "updates": training.updates}
    found |= {"best_update": training.best_update, "validation_bleu": training.validation_bleu}
    found |= {"training_seconds": training.seconds}
    if training.learned is not None:
        found |= {"parameters": training.parameters, "learned_parameters": training.learned}
    found |= {"digest": row.digest}
    return found | {f"{name}_signature": score.signature for name, score in row.scores.items()}


def _networks(row: CellRow) -> Flat:
    return {
        "networks": " ".join(it.name for it in row.networks),
        "pretraining_core_seconds": sum(it.core_seconds for it in row.networks),
        "pretraining_tokens": sum(it.tokens or 0 for it in row.networks),
    }


def _mean(experiment: str, row: MeanRow) -> Flat:
    found: Flat = {"experiment": experiment, "size": row.size, "pairs": row.pairs}
    found |= {"arm": row.arm, "seeds": row.seeds}
    for name, score in row.scores.items():
        found |= _columns(name, score.model_dump())
        found |= _columns(f"gain_{name}", _gain(row.gains.get(name)))
    return found


def _gain(gain: Gain | None) -> dict[str, float | None]:
    keys = ("mean", "low", "high", "p_alone", "p")
    values: dict[str, float | None] = {key: getattr(gain, key, None) for key in keys}
    if gain and gain.simultaneous:
        low, high = gain.simultaneous
        values |= {"simultaneous_low": low, "simultaneous_high": high}
    return values


def _columns(name: str, values: Mapping[str, float | None]) -> Flat:
    return {name if key == "mean" else f"{name}_{key}": value for key, value in values.items()}
