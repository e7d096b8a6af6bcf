"""The plan of an experiment: what is left, what that will take, and what it can find."""

import itertools
import math
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import fmean

from rich.filesize import decimal

from nmt_ablation import cost, inspection
from nmt_ablation.opus import card
from nmt_ablation.results.design import Design
from nmt_ablation.results.gather import primary_scores, warnings_of
from nmt_ablation.results.power import Plan, power, spread_of
from nmt_ablation.runner import Runner
from nmt_ablation.stage import AnyStage
from nmt_ablation.stages.training import Train

GAINS = (0, 0.5, 1, 1.5, 2, 3)
"""The true gains whose power is shown, in smallest gains of interest."""
USUAL_SPREAD = 0.4
"""The standard deviation of BLEU from seed to seed, on the captions of docs/results/study."""


def lines(runner: Runner) -> Iterator[str]:
    """Yield the lines of a plan, and build nothing."""
    cells = runner.file.experiment.cells()
    to_build: dict[AnyStage, None] = {}
    done = 0
    for size, of_size in itertools.groupby(cells, key=lambda cell: cell.size):
        finished: dict[str, list[bool]] = {}
        for cell in of_size:
            left = runner.left(cell)
            finished.setdefault(cell.arm, []).append(not left)
            done += not left
            to_build |= dict.fromkeys(left)
        arms = ", ".join(f"{arm} {sum(each)}/{len(each)}" for arm, each in finished.items())
        yield f"{size if isinstance(size, str) else f'{size:,}':>10}  {arms}"
    needed = Counter(stage.name for stage in to_build)
    counts = ", ".join(f"{count} x {stage}" for stage, count in needed.items())
    yield ""
    yield (f"{done} of {len(cells)} cells are done. To build: {counts or 'nothing'}.")
    budgets = [
        (
            stage.training.max_updates,
            cost.with_auxiliary((it.settings for it in stage.auxiliary), stage.training),
        )
        for stage in to_build
        if isinstance(stage, Train)
    ]
    yield from _of_data(runner)
    yield from hours(runner, budgets)
    yield from _of_networks(runner)
    yield from _of_auxiliary(runner)
    yield from _of_back_translation(runner)
    yield from _needs(runner)
    yield from _power(runner)


def hours(runner: Runner, budgets: Sequence[tuple[int, float]]) -> Iterator[str]:
    """Yield lines about the updates and hours that trainings take at most.

    Args:
        budgets: the updates of each, and how many times as long an update takes as one of
            translation alone.
    """

    if not budgets:
        return
    training, calibration = runner.file.experiment.training, runner.pipeline.calibration()
    sooner = "; patience may end a training sooner" if training.schedule == "patience" else ""
    updates = sum(number for number, _ in budgets)
    yield f"At most {updates:,} updates of up to {training.batch_tokens:,} tokens{sooner}."
    if not runner.workspace.done(calibration):
        yield "Hours: not known yet; nmt-ablation calibrate times an update."
        return
    found = runner.workspace.record(calibration)
    seconds = sum(cost.training_seconds(it, slower * found.seconds) for it, slower in budgets)
    hours = math.ceil(seconds / 360) / 10
    threads = "1 thread" if found.threads == 1 else f"{found.threads} threads"
    memory = decimal(found.gpu_memory or found.memory)
    yield (
        f"Hours: at most {hours:,.1f}, one training after another; an update takes "
        f"{found.seconds:.3f} s and {memory} on {found.device} "
        f"({threads} of {found.machine})."
    )


def _of_networks(runner: Runner) -> Iterator[str]:
    """Yield a line about each network that is not trained yet."""
    experiment, calibration = runner.file.experiment, runner.pipeline.calibration()
    for name, stage in runner.pipeline.networks_of(experiment.cells()).items():
        if runner.workspace.done(stage):
            continue
        if isinstance(stage, Train):
            learning = stage.training
            line = f"{name}: translation, up to {learning.max_updates:,} updates of up to "
            line += f"{learning.batch_tokens:,} tokens"
        else:
            thing = stage.thing
            line = f"{name}: {thing.says}, {thing.updates:,} updates of up to "
            line += f"{thing.batch_tokens:,} tokens"
        if runner.workspace.done(calibration):
            seconds = runner.workspace.record(calibration).seconds
            hours = cost.network_seconds(experiment, stage, seconds) / 3600
            line += f", about {hours:,.1f} hours"
        yield f"{line}."


def _of_data(runner: Runner) -> Iterator[str]:
    """Yield lines about what is wrong with the data, as far as a glance shows it."""
    found = [*inspection.glance(runner), *warnings_of(runner.pipeline, runner.workspace)]
    for warning in dict.fromkeys(found):
        yield f"warning: {warning}"


def _of_auxiliary(runner: Runner) -> Iterator[str]:
    """Yield a line about each objective that an arm learns beside translation."""
    for arm, it in runner.file.experiment.arms.items():
        for name, auxiliary in it.auxiliary.items():
            yield (
                f"{arm}: {auxiliary.named(name)[0]} beside translation, up to "
                f"{auxiliary.batch_tokens:,} tokens of {auxiliary.text} text an update."
            )


def _of_back_translation(runner: Runner) -> Iterator[str]:
    """Yield a line about each arm that learns from pairs translated back."""
    for arm, it in runner.file.experiment.arms.items():
        if it.back_translation:
            yield (
                f"{arm}: {it.back_translation.ratio:g} lines translated back for each pair of the "
                "sample, by a model of the other direction for each size and seed."
            )


def _needs(runner: Runner) -> Iterator[str]:
    """Yield lines about files to fetch and disk space."""
    experiment = runner.file.experiment
    files = cost.files(runner.pipeline, runner.workspace, card.card_for(experiment.pair))
    to_fetch = [file for file in files if not file.fetched]
    unknown = [file.path for file in to_fetch if file.bytes is None]
    if to_fetch:
        size = sum(file.bytes or 0 for file in to_fetch)
        known = f", {'more than ' if unknown else ''}{decimal(size)}" if size else ""
        besides = f"; of unknown size: {', '.join(unknown)}" if unknown else ""
        yield f"To fetch: {len(to_fetch)} files{known}{besides}."
    room = cost.disk(experiment, files)
    yield (
        f"On disk: {'more than' if unknown else 'up to'} {decimal(room.all)} "
        f"(corpora {decimal(room.corpora)}, samples {decimal(room.samples)}, "
        f"models {decimal(room.models)})."
    )
    if states := cost.states(runner.pipeline):
        yield (
            f"Besides, each training with frozen features keeps their states on disk while it "
            f"runs: up to {decimal(states)}."
        )
    place = runner.workspace.root.absolute()
    free = shutil.disk_usage(next(it for it in (place, *place.parents) if it.exists())).free
    if room.all > free and runner.unfinished(experiment.cells()):
        yield f"warning: {place}: its disk has {decimal(free)} left, which may not be enough"


def _power(runner: Runner) -> Iterator[str]:
    """Yield lines about the gains that the experiment can find."""
    experiment, calibration = runner.file.experiment, runner.pipeline.calibration()
    design = Design.of(experiment)
    name = experiment.scoring.primary
    measure, looks = experiment.scoring.measures[name], design.verdict.looks
    smallest = design.smallest_gains(name, measure).get(name)
    if len(experiment.seeds) < 2:
        yield "Power: none, as one seed decides nothing; list several under seeds."
        return
    if not sum(design.compared) or smallest is None:
        return
    known = spread_of(primary_scores(runner.pipeline, runner.workspace))
    if known is None and experiment.scoring.metrics[name].kind != "bleu":
        yield "Power: known once two arms have two seeds."
        return
    why = "as in the finished cells" if known else "as in the captions of docs/results/study"
    yield (
        f"Power, if the standard deviation is {known or USUAL_SPREAD:.2f} {measure.label} from "
        f"seed to seed, {why}:"
    )
    yield "  true gain   better  equivalent  not decided  seeds  cells"
    sizes = [number for number in design.compared if number]
    asked = Plan(sizes, looks or (len(experiment.seeds),), known or USUAL_SPREAD, smallest)
    cells = []
    for gain in (smallest * it for it in GAINS):
        found = power(asked, gain)
        cells.append(found.cells)
        yield (
            f"{gain:>11.2f}{found.better:>9.0%}{found.equivalent:>12.0%}{found.undecided:>13.0%}"
            f"{found.seeds:>7.1f}{found.cells:>7.0f}"
        )
    if looks:
        least, most = (
            count * (sum(design.compared) + len(design.sizes)) for count in (looks[0], looks[-1])
        )
        mean = fmean(cells)
        line = (
            f"Until decided: {least:,} to {most:,} cells; {mean:,.0f} on average over these gains"
        )
        if runner.workspace.done(calibration):
            update = runner.workspace.record(calibration).seconds
            hours = [cost.cell_seconds(experiment, update) * it / 3600 for it in (mean, most)]
            line += (
                f": up to {hours[0]:,.1f} hours, or {hours[1]:,.1f} for the most cells, in series"
            )
        yield f"{line}."
