"""The tables of a report about its data: how much of it has vectors, and how it came about."""

from collections import Counter

from nmt_ablation.report.table import (
    NOTHING,
    Column,
    Entry,
    Header,
    Table,
    described,
    gain,
    number,
)
from nmt_ablation.results import cost
from nmt_ablation.results.cost import Cost
from nmt_ablation.results.coverage import Covered, covered
from nmt_ablation.results.results import Results
from nmt_ablation.results.rows import (
    CellRow,
    CorpusRow,
    EncoderRow,
    LayerRetrieval,
    Network,
    TranslatorRow,
)
from nmt_ablation.scoring import loss
from nmt_ablation.scoring.metric import Measure
from nmt_ablation.values import SIDES, Side


def coverage(results: Results) -> Table:
    """Describe how much of the text has a vector, a line for all arms of a size that are alike."""
    columns: list[Column[Covered]] = [Column(Header("pairs"), lambda line: number(line.pairs))]
    for side in SIDES:
        for split in ("train", "test"):
            columns.append(_share_column(side, split))
    columns.append(Column(Header("arms", left=True), lambda line: Entry(", ".join(line.arms))))
    lines = covered(results.cells)
    note = "Shares of types / of tokens that have a vector, over seeds."
    heading = "How much of the text has a vector"
    return described(heading, columns, lines, [note, *_alignments(results)] if lines else [])


def _share_column(side: Side, split: str) -> Column[Covered]:
    def entry(line: Covered) -> Entry:
        share = line.shares.get((side, split))
        return Entry(f"{share.types:.1%} / {share.tokens:.1%}" if share else NOTHING)

    return Column(Header(f"{side}, {split}"), entry)


def _alignments(results: Results) -> list[str]:
    """Return a line for each alignment."""
    found = []
    for row in results.cells:
        if (alignment := row.alignment) is not None:
            before, after = alignment.rounds[0], alignment.rounds[-1]
            found.append(
                f"Alignment of {row.arm} at {row.pairs:,} pairs, seed {row.seed}: precision at 1 "
                f"by CSLS {after.source_to_target:.2f} / {after.target_to_source:.2f} in the two "
                f"directions (before refinement {before.source_to_target:.2f} / "
                f"{before.target_to_source:.2f}), on {alignment.held_out} words held out."
            )
    return found


def networks(results: Results) -> Table:
    """Describe the pretraining of each network that parts of models start from, and its cost."""
    found: dict[str, list[CellRow]] = {}
    of_digest: dict[str, Network] = {}
    for row in results.cells:
        for it in row.networks:
            of_digest.setdefault(it.digest, it)
            found.setdefault(it.digest, []).append(row)

    def starting(it: Network) -> Entry:
        return number(len(found[it.digest]))

    def share(it: Network) -> Entry:
        seconds = it.core_seconds / len(found[it.digest])
        return Entry(f"{seconds:,.0f}", value=seconds)

    def known(value: int | None) -> Entry:
        return Entry(NOTHING) if value is None else number(value)

    def losses(it: Network) -> Entry:
        return Entry(
            f"{it.losses[0].loss:.2f} to {it.losses[-1].loss:.2f}" if it.losses else NOTHING
        )

    def precision(it: Network) -> Entry:
        found = it.losses[-1].precision if it.losses else None
        return Entry(NOTHING if found is None else f"{found:.2f}", value=found)

    columns: list[Column[Network]] = [
        Column(Header("network", left=True), lambda it: Entry(it.name)),
        Column(Header("objective", left=True), lambda it: Entry(it.objective)),
        Column(Header("text", left=True), lambda it: Entry(it.text)),
        Column(Header("seed"), lambda it: number(it.seed)),
        Column(Header("lines"), lambda it: number(it.lines)),
        Column(Header("updates"), lambda it: number(it.updates)),
        Column(Header("epochs"), lambda it: known(it.epochs)),
        Column(Header("tokens read"), lambda it: known(it.tokens)),
        Column(Header("predicted"), lambda it: known(it.predicted)),
        Column(Header("weights"), lambda it: number(it.parameters)),
        Column(Header("bits, held out"), losses),
        Column(Header("core-seconds"), lambda it: number(round(it.core_seconds))),
        Column(Header("cells"), starting),
        Column(Header("core-seconds a cell"), share),
    ]
    if any(precision(it).value is not None for it in of_digest.values()):
        columns.insert(-3, Column(Header("retrieved, held out"), precision))
    return described("Networks", columns, of_digest.values(), _network_notes(results))


def _network_notes(results: Results) -> list[str]:
    """Return notes on the numbers, and on networks that serve several seeds."""
    notes = [
        "Weights are those that learned. Bits are for each prediction, on lines that the network "
        "didn't learn from, at the first and the last measurement. Core-seconds are of "
        "pretraining; a cell's share is what remains of it when all cells that start from the "
        "network share its cost."
    ]
    networks = [it for row in results.cells for it in row.networks]
    if any(it.losses and it.losses[-1].precision is not None for it in networks):
        notes.append(
            "Retrieved is the share of held-out sentences whose nearest neighbour among all "
            "held-out ones of the other language is their translation, over both directions."
        )
    for name, it in {it.name: it for it in networks if it.rows}.items():
        rows = ", ".join(f"{number:,} {side} tokens" for side, number in (it.rows or {}).items())
        notes.append(f"{name} is a parent, and has rows for {rows}; all others start at random.")
    seeds: dict[tuple[str, str], set[int]] = {}
    for row in results.cells:
        for it in row.networks:
            seeds.setdefault((it.name, it.digest), set()).add(row.seed)
    of_several = sorted({name for (name, _), of in seeds.items() if len(of) > 1})
    if of_several:
        notes.append(
            f"One network serves all seeds: {', '.join(of_several)}. So intervals don't say how "
            "much another network of the same recipe would differ."
        )
    return notes


def costs(results: Results) -> Table:
    """Describe the gain, the parameters and the cost of each arm at each size."""
    found = cost.costs(results)
    columns: list[Column[Cost]] = [
        Column(Header("pairs"), lambda it: number(it.pairs)),
        Column(Header("arm", left=True), lambda it: Entry(it.arm)),
        Column(Header(results.measure.delta), lambda it: gain(it.gain, results.measure)),
    ]
    if all(it.learned is not None for it in found):  # earlier reports count shared ones twice
        columns += [
            Column(Header("parameters"), lambda it: number(it.parameters)),
            Column(Header("that learn"), lambda it: number(it.learned or 0)),
        ]
    columns.append(Column(Header("training"), lambda it: number(round(it.training))))
    if any(it.beside for it in found):
        columns.append(Column(Header("tokens beside"), lambda it: number(round(it.beside))))
    notes = ["Costs are core-seconds of a cell, means over seeds. "]
    if any(it.pretraining for it in found):
        columns += [
            Column(Header("pretraining"), lambda it: number(round(it.pretraining))),
            Column(Header("a cell's share"), lambda it: number(round(it.share))),
            Column(Header("whole cost"), lambda it: number(round(it.shared))),
        ]
        notes[0] += (
            "All finished cells that start from a network share its cost; the whole cost is "
            "training with this share. "
        )
    notes[0] += (
        "Not counted are trainings at learning rates that were not chosen, the making of vectors, "
        "and what others spent on published models."
    )
    return described("Gain and cost", columns, found, notes)


def translators(results: Results) -> Table:
    """Describe the scores of published translators."""
    columns: list[Column[TranslatorRow]] = [
        Column(Header("translator", left=True), lambda it: Entry(it.name)),
        Column(Header("model", left=True), lambda it: Entry(it.model)),
    ]
    columns += [_translator_score(*it) for it in results.pooled.items() if it[0] != loss.NAME]
    columns += [
        Column(Header("parameters"), lambda it: number(it.parameters)),
        Column(Header("sentences a core-second"), _speed),
    ]
    found = results.translators
    notes = [
        "They are scored as they are, on the same test sets, with the same beam and length penalty "
        "as the arms. In parentheses are 95% intervals for other test sentences. What they have "
        "read is not known, and may hold the test set: then nothing here shows how well they "
        "translate other text."
    ]
    notes += [f"{it.name}: {said}." for it in found for said in it.warnings]
    notes += [
        f"{it.name} has fewer positions than {it.truncated:,} of {it.sentences:,} test sentences "
        "have tokens: the rest of these was not translated."
        for it in found
        if it.truncated
    ]
    return described("Published translators, as they are", columns, found, notes)


def _translator_score(name: str, measure: Measure) -> Column[TranslatorRow]:
    def entry(row: TranslatorRow) -> Entry:
        if name not in row.scores:
            return Entry(NOTHING)
        value, (low, high), places = row.scores[name].value, row.intervals[name], measure.decimals
        interval = f"({low:.{places}f} to {high:.{places}f})"
        return Entry(f"{value:.{places}f}", interval, value=value)

    return Column(Header(measure.label), entry)


def _speed(row: TranslatorRow) -> Entry:
    speed = row.sentences / row.core_seconds if row.core_seconds else 0.0
    return Entry(f"{speed:.3g}", value=speed)


def encoders(results: Results) -> Table:
    """Describe how well published encoders find translations, by layer."""
    columns: list[Column[tuple[EncoderRow, LayerRetrieval]]] = [
        Column(Header("encoder", left=True), lambda it: Entry(it[0].name)),
        Column(Header("layer"), lambda it: number(it[1].layer)),
        Column(Header("source to target"), lambda it: Entry(f"{it[1].source_to_target:.1%}")),
        Column(Header("target to source"), lambda it: Entry(f"{it[1].target_to_source:.1%}")),
    ]
    lines = [(row, layer) for row in results.encoders for layer in row.layers]
    pairs = max((row.pairs for row in results.encoders), default=0)
    note = (
        f"The share of {pairs:,} sentences of the validation set whose nearest neighbour among "
        "all, by the cosine of mean states, is the translation. Layer 0 is the embeddings. An "
        "encoder that finds few doesn't know one of the languages."
    )
    return described("What published encoders find", columns, lines, [note])


def corpora(results: Results) -> Table:
    """Describe what became of each corpus's pairs, and the near-duplicates of the test set."""
    columns: list[Column[CorpusRow]] = [
        Column(Header("corpus", left=True), lambda row: Entry(row.corpus)),
        Column(Header("pairs read"), lambda row: number(row.read)),
        Column(Header("dropped"), lambda row: number(sum(row.dropped.values()))),
        Column(Header("duplicates"), lambda row: number(row.duplicates)),
        Column(Header("leaks"), lambda row: number(row.leaks)),
        Column(Header("pool"), lambda row: number(row.pool)),
    ]
    return described("How the data came about", columns, results.corpora, _corpora_notes(results))


def _corpora_notes(results: Results) -> list[str]:
    notes, reasons = [], Counter[str]()
    for corpus in results.corpora:
        reasons.update(corpus.dropped)
    if reasons:
        notes.append(f"Dropped: {', '.join(f'{name} {n:,}' for name, n in reasons.items())}.")
    for row in results.monolingual:
        notes.append(
            f"Text in {row.language} for vectors and subwords: {row.kept:,} of {row.read:,} lines. "
            f"Left out are {row.paired:,} sides of sentence pairs and {row.leaks:,} lines of the "
            "validation or test set."
        )
    for pairs in results.further:
        notes.append(
            f"Sentence pairs {pairs.name} ({pairs.pair}) for networks: {pairs.kept:,} of "
            f"{pairs.read:,}. Left out are {pairs.dropped:,} that filters dropped, "
            f"{pairs.duplicates:,} duplicates, {pairs.leaks:,} with a side of a validation or test "
            f"set, and {pairs.shared:,} more with a side that this experiment's own text has."
        )
    samples = {(row.pairs, row.seed): row.near_duplicates for row in results.cells}
    found = [
        f"{alike.test.pairs:,} of {pairs:,} (seed {seed}; {alike.test.held_out:,} test sentences)"
        for (pairs, seed), alike in samples.items()
        if alike is not None
    ]
    if found:
        notes.append(f"Near-duplicates of a test sentence in each sample: {', '.join(found)}.")
    return notes
