"""The tables of a report's results: means, contrasts, cells, and a table for papers."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

from nmt_ablation.report import analysis_tables, data_tables
from nmt_ablation.report.table import (
    NOTHING,
    Column,
    Entry,
    Header,
    Table,
    described,
    fixed,
    gain,
    number,
    p_entry,
    score,
    verdict_entry,
)
from nmt_ablation.report.words import SIGNS, WORDS, corrected, ends, listed, read_off
from nmt_ablation.results.curve import Estimate, equivalents
from nmt_ablation.results.results import Results, at
from nmt_ablation.results.rows import CellRow, ContrastRow, Gain, MeanRow, by_arm
from nmt_ablation.results.verdict import (
    VERDICTS,
    Decision,
    Judged,
    comparisons,
    decide,
    judge_predictions,
)
from nmt_ablation.scoring import loss
from nmt_ablation.scoring.metric import Measure
from nmt_ablation.values import Size

EMPTY = Entry("")
BEYOND = 1e12
"""The value by which "beyond the largest size" is sorted: a number of pairs larger than any."""
MARKS = {"budget": "↑", "divergence": "✗", "rising": "↗", "fallen": "↘"}
CUT_SHORT = (MARKS["budget"], MARKS["divergence"])
NOTES = {
    "budget": "↑ the budget ended a training before patience did: it may still improve",
    "divergence": "✗ a training diverged; the best model before that is scored",
    "rising": "↗ a training still rose on the validation set at its end: train longer",
    "fallen": "↘ a training was better on the validation set before its end: train shorter",
}


def evidence(results: Results) -> list[Table]:
    """Return the tables that a report's verdicts rest on, as far as they have lines."""
    found = (
        predictions(results),
        means(results),
        test_sets(results),
        contrasts(results),
        loss_verdicts(results),
        data_tables.translators(results),
        cells(results),
        data_tables.networks(results),
        data_tables.costs(results),
        data_tables.encoders(results),
        data_tables.coverage(results),
        *analysis_tables.analyses(results),
    )
    return [table for table in found if table.lines]


def verdicts(results: Results, metric: str = "") -> Table:
    """Describe the decisions by a metric, or else by the primary one: lines are arms in families,
    columns are sizes, then the arm's start and tuning."""
    measure = results.measures[metric or results.primary]
    sizes = sorted({row.pairs for row in results.means if row.gains})

    def column(pairs: int) -> Column[Decision]:
        def entry(decision: Decision) -> Entry:
            found = [row for row in decision.rows if row.pairs == pairs]
            return verdict_entry(found[0].gains[decision.metric], measure) if found else EMPTY

        return Column(Header(f"{pairs:,}"), entry)

    first: Column[Decision] = Column(Header("arm", left=True), lambda decision: Entry(decision.arm))
    signs = ", ".join(f"{SIGNS[kind]} {WORDS[kind]}" for kind in VERDICTS)
    note = f"Gains over {results.baseline} in {measure.label}, by sentence pairs: {signs}."
    decisions = decide(results, metric)
    columns = [first, *map(column, sizes)]
    arms = results.design.arms
    if any(arms[decision.arm].start for decision in decisions):
        columns = [
            Column(Header("starts from", left=True), lambda it: Entry(arms[it.arm].what)),
            *columns,
            Column(Header("parts", left=True, terminal="no"), lambda it: Entry(arms[it.arm].where)),
            Column(
                Header("tuning, control", left=True, terminal="no"),
                lambda it: Entry(arms[it.arm].how),
            ),
        ]
    heading = f"Verdicts by {measure.label}" if metric else "Verdicts"
    return described(heading, columns, decisions, [note] if decisions else [])


def means(results: Results) -> Table:
    """Describe the means over seeds, their gains over the baseline, and the gains' worth."""
    marks, primary = marks_of(results), results.measure
    columns: list[Column[MeanRow]] = [
        Column(Header("pairs"), lambda row: number(row.pairs)),
        Column(Header("arm", left=True), lambda row: Entry(row.arm)),
        Column(Header("seeds"), lambda row: number(row.seeds)),
        Column(
            Header(primary.label, terminal="number"),
            lambda row: score(
                row.scores[results.primary], primary, marks.get((row.size, row.arm), "")
            ),
        ),
        *_gain_columns(results.primary, primary),
    ]
    if primary.agreement:
        header = Header("people agree", terminal="no")
        columns.append(
            Column(header, lambda row: _agreement(row.gains.get(results.primary), primary))
        )
    needed = equivalents(results.means, results.baseline, results.primary, primary)
    if needed:
        baseline = by_arm(results.means)[results.baseline]
        header = Header(f"{results.baseline} needs", terminal="no")
        columns.append(
            Column(header, lambda row: _pairs(needed.get((row.size, row.arm)), baseline))
        )
    for name, measure in results.pooled.items():
        if name != results.primary:
            columns += _other_columns(name, measure)
    return described("Means", columns, results.means, _means_notes(results, bool(needed)))


def _pairs(found: Estimate | None, baseline: Sequence[MeanRow]) -> Entry:
    if found is None:
        return Entry(NOTHING)
    text, interval = read_off(found.at, baseline), ends(found, baseline)
    return Entry(text, "" if text == interval else f"({interval})", value=min(found.at, BEYOND))


def _gain_columns(
    metric: str, measure: Measure, terminal: Literal["whole", "number", "no"] = "whole"
) -> list[Column[MeanRow]]:
    p_terminal: Literal["whole", "no"] = "whole" if terminal == "whole" else "no"
    return [
        Column(
            Header(measure.delta, terminal=terminal),
            lambda row: gain(row.gains.get(metric), measure),
        ),
        Column(Header("p", terminal=p_terminal), lambda row: p_entry(row.gains.get(metric))),
    ]


def _other_columns(metric: str, measure: Measure) -> list[Column[MeanRow]]:
    return [
        Column(
            Header(measure.label, terminal="no"), lambda row: score(row.scores[metric], measure)
        ),
        # The loss has verdicts of its own, and 80 columns have no room for it.
        *_gain_columns(metric, measure, "no" if metric == loss.NAME else "number"),
    ]


def _means_notes(results: Results, needed: bool) -> list[str]:
    seeds = max((row.seeds for row in results.means), default=0)
    covered = "seeds and test sentences" if seeds > 1 else "test sentences, not other seeds"
    notes = [
        f"In parentheses are 95% intervals for other {covered}. {_corrected(results)} for all "
        f"{comparisons(results)} comparisons of the experiment with its baseline, separately for "
        "each metric. p is of the hypothesis that there is no difference."
    ]
    if results.design.verdict.looks:
        notes.append(
            f"A gain is over {results.baseline} in the seeds that the arm has: it needn't be the "
            "difference of the scores that are shown."
        )
    if results.measure.agreement:
        notes.append(
            "People agree: the share of cases, in published judgements, in which people prefer the "
            f"better of two systems that differ by so much {results.measure.label} (Kocmi et al. "
            "2024); for significant gains only."
        )
    if needed:
        notes.append(
            f"{results.baseline} needs: the pairs with which {results.baseline} matches the arm, "
            "on a straight line over the logarithm of pairs between sizes."
        )
    lower = [it.label for it in results.pooled.values() if not it.higher_is_better]
    if lower:
        notes.append(f"Lower is better by {listed(lower)}; a gain by it is a fall.")
    return [*notes, *training_notes(results.cells)]


def _corrected(results: Results) -> str:
    """Return what is corrected: intervals too, but in reports of earlier versions."""
    if results.correction == "Holm":
        return "Intervals are not corrected; p is after Holm's correction"
    return f"p, and the intervals of gains, are after {corrected(results)}"


def predictions(results: Results) -> Table:
    """Describe the predictions that the experiment declared, and whether they held."""
    columns: list[Column[Judged]] = [
        Column(Header("arm", left=True), lambda it: Entry(it.arm)),
        Column(Header("compared with", left=True), lambda it: Entry(it.other)),
        Column(Header("pairs"), lambda it: number(it.row.pairs)),
        Column(Header("predicted", left=True), lambda it: Entry(it.expected)),
        Column(Header("found"), lambda it: verdict_entry(it.found, results.measure)),
        Column(Header("prediction", left=True), lambda it: Entry(it.outcome)),
    ]
    note = (
        "Any other verdict than the predicted one refutes a prediction: also equivalent, where "
        "better was predicted. Verdicts are those of the tables above and below."
    )
    return described("Predictions", columns, judge_predictions(results), [note])


def loss_verdicts(results: Results) -> Table:
    """Describe the decisions by the cross-entropy of references, which are apart from others."""
    if loss.NAME not in results.measures:
        return described("", list[Column[Decision]](), [])
    found = verdicts(results, loss.NAME)
    note = (
        "Bits for each character of the validation set's references, the least of all validations: "
        "fewer are better, and a gain is a fall. Intervals and p are for other seeds, and not for "
        "other sentences. A better model of the references needn't translate better."
    )
    return replace(found, notes=[*found.notes, note])


def test_sets(results: Results) -> Table:
    """Describe the gains on each of several test sets, by the primary metric."""
    columns: list[Column[MeanRow]] = [
        Column(Header("pairs"), lambda row: number(row.pairs)),
        Column(Header("arm", left=True), lambda row: Entry(row.arm)),
    ]
    for test_set, outcome in results.of_test_sets.items():
        columns.append(_test_set_column(test_set, outcome, results.measures[outcome]))
    rows = [row for row in results.means if row.gains] if results.of_test_sets else []
    note = (
        f"Gains over {results.baseline} in {results.measure.label} on each test set, with 95% "
        f"intervals after {corrected(results)} for all such comparisons on this set. "
        "The verdict goes by the mean over all sets."
    )
    return described("Gains by test set", columns, rows, [note])


def _test_set_column(test_set: str, outcome: str, measure: Measure) -> Column[MeanRow]:
    return Column(Header(test_set), lambda row: gain(row.gains.get(outcome), measure))


def contrasts(results: Results) -> Table:
    """Describe the contrasts: gains over arms other than the baseline."""
    columns: list[Column[ContrastRow]] = [
        Column(Header("pairs"), lambda row: number(row.pairs)),
        Column(Header("arm", left=True), lambda row: Entry(row.arm)),
        Column(Header("compared with", left=True), lambda row: Entry(row.other)),
        Column(Header("seeds"), lambda row: number(row.seeds)),
    ]
    for name, measure in results.pooled.items():
        columns += _contrast_columns(name, measure)
    looked = "a correction for all looks, and " if results.design.verdict.looks else ""
    corrected = f"after {looked}Holm's correction for all such comparisons of the experiment"
    gains = [gain for row in results.contrasts for gain in row.gains.values()]
    if any(it.simultaneous is None for it in gains):  # in reports of earlier versions
        said = (
            f"p is {corrected}, by each metric. The 95% intervals in parentheses are not corrected."
        )
    else:
        said = f"p, and the 95% intervals in parentheses, are {corrected}, by each metric."
    note = f"A gain is the first arm's over the other. {said}"
    return described("Arms against each other", columns, results.contrasts, [note])


def _contrast_columns(metric: str, measure: Measure) -> list[Column[ContrastRow]]:
    return [
        Column(Header(measure.delta), lambda row: gain(row.gains[metric], measure)),
        Column(Header("p"), lambda row: p_entry(row.gains[metric])),
    ]


def cells(results: Results) -> Table:
    """Describe the finished cells. Their gains have no p here: means over seeds are tested."""
    columns: list[Column[CellRow]] = [
        Column(Header("pairs"), lambda row: number(row.pairs)),
        Column(Header("arm", left=True), lambda row: Entry(row.arm)),
        Column(Header("seed"), lambda row: number(row.seed)),
    ]
    for name, measure in results.pooled.items():
        columns.append(_score_column(name, measure))
    for name, measure in results.pooled.items():
        columns.append(_cell_gain_column(name, measure, results.baseline))
    if len({row.training.learning_rate for row in results.cells}) > 1:
        columns.append(Column(Header("learning rate"), _rate))
    columns += [
        Column(
            Header("updates"),
            lambda row: number(row.training.updates, MARKS.get(row.caveat or "", "")),
        ),
        Column(Header("ended by", left=True), lambda row: Entry(row.training.ended_by)),
        Column(Header("best at"), lambda row: number(row.training.best_update)),
        Column(Header("digest", left=True), lambda row: Entry(row.digest, code=True)),
    ]
    return described("Cells", columns, results.cells, training_notes(results.cells))


def _rate(row: CellRow) -> Entry:
    rate = row.training.learning_rate
    return Entry(NOTHING) if rate is None else Entry(f"{rate:g}", value=rate)


def _score_column(metric: str, measure: Measure) -> Column[CellRow]:
    return Column(
        Header(measure.label), lambda row: fixed(row.scores[metric].value, measure.decimals)
    )


def _cell_gain_column(metric: str, measure: Measure, baseline: str) -> Column[CellRow]:
    def entry(row: CellRow) -> Entry:
        if row.arm == baseline or metric not in row.gains:
            return Entry(NOTHING)
        return fixed(row.gains[metric], measure.decimals, "+")

    return Column(Header(measure.delta), entry)


def by_size(results: Results) -> Table:
    """Describe the means by the primary metric for a paper: lines are arms, columns are sizes."""
    marks, sizes = marks_of(results), {row.size: row.pairs for row in results.means}

    def entry(arm: str, size: Size) -> Entry:
        found = at(results.means, size, arm)
        if not found:
            return Entry(NOTHING)
        own = score(found[0].scores[results.primary], results.measure)
        more = found[0].gains.get(results.primary)
        star = "*" if more and more.significant else ""
        dagger = "†" if marks.get((size, arm)) in CUT_SHORT else ""
        over = f"({gain(more, results.measure).text})" if more else ""
        return Entry(own.text, over, star + dagger)

    columns: list[Column[str]] = [Column(Header("sentence pairs", left=True), Entry)]
    columns += [_size_column(size, pairs, entry) for size, pairs in sizes.items()]
    looks = results.design.verdict.looks
    starred = "a correction for all looks" if looks else f"{results.correction}'s correction"
    notes = [
        f"{results.name}, {results.pair}: {results.measure.label}, in parentheses the gain over "
        f"{results.baseline}; a star: p < 0.05 after {starred}; a dagger: "
        "patience did not end the training of some seed, which may still improve.",
        *sorted({row.scores[results.primary].signature for row in results.cells}),
    ]
    return described("", columns, results.arms, notes)


def _size_column(size: Size, pairs: int, entry: Callable[[str, Size], Entry]) -> Column[str]:
    return Column(Header(f"{pairs:,}"), lambda arm: entry(arm, size))


def marks_of(results: Results) -> dict[tuple[Size, str], str]:
    """Return the marks of sizes and arms with a training of doubtful length."""
    return {
        (row.size, row.arm): MARKS[row.caveat] for row in results.cells if row.caveat is not None
    }


def training_notes(rows: Sequence[CellRow]) -> list[str]:
    """Return notes on the marks of these cells."""
    ended = {row.caveat for row in rows}
    return [f"{note}." for end, note in NOTES.items() if end in ended]


def _agreement(found: Gain | None, measure: Measure) -> Entry:
    """Return the share of cases in which people agree, if the gain is significant."""
    share = measure.people_agree(found.mean) if found and found.significant else None
    if share is None:
        return Entry(NOTHING)
    return Entry(f"{'>' if share >= measure.most_agreement else ''}{share:.0%}", value=share)
