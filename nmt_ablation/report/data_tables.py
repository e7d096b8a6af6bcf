"""The tables of a report about its data: how much of it has vectors, and how it came about."""

from collections import Counter

from nmt_ablation.report.table import NOTHING, Column, Entry, Header, Table, described, number
from nmt_ablation.results.coverage import Covered, covered
from nmt_ablation.results.results import Results
from nmt_ablation.results.rows import CorpusRow
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
    samples = {(row.pairs, row.seed): row.near_duplicates for row in results.cells}
    found = [
        f"{alike.test.pairs:,} of {pairs:,} (seed {seed}; {alike.test.held_out:,} test sentences)"
        for (pairs, seed), alike in samples.items()
        if alike is not None
    ]
    if found:
        notes.append(f"Near-duplicates of a test sentence in each sample: {', '.join(found)}.")
    return notes
