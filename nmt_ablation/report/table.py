"""The results as tables: for a terminal, Markdown, and papers."""

import re
from collections import Counter
from collections.abc import Sequence
from statistics import mean

from rich import box
from rich.table import Table

from nmt_ablation.experiment import SIDES, Side, Size
from nmt_ablation.pipeline import METRICS
from nmt_ablation.report.findings import Findings
from nmt_ablation.report.results import Row
from nmt_ablation.report.summary import MOST, agreement
from nmt_ablation.statistics import SURE

HEADER = (
    *("pairs", "arm", "seed", "BLEU", "chrF"),
    *("Δ BLEU", "p", "p, randomised", "Δ chrF", "updates"),
)
NOTES = {
    "budget": "↑ the budget ended this training before patience did: it may still improve",
    "divergence": "✗ this training diverged; the best model before that is scored",
}


def as_rich(findings: Findings) -> Table:
    """Means, for a terminal of 80 columns."""
    marks = marks_of(findings)
    table = Table(
        title=f"{findings.name} ({findings.pair})",
        caption="\n".join(_notes(findings.cells)) or None,
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    for name in ("pairs", "arm", "seeds", "BLEU", "Δ BLEU", "p", "Δ chrF", ""):
        table.add_column(name, justify="left" if name == "arm" else "right", no_wrap=True)
    for at, row in enumerate(findings.means):
        last = at + 1 == len(findings.means) or findings.means[at + 1]["size"] != row["size"]
        line = [f"{row['pairs']:,}", row["arm"], str(row["seeds"]), f"{row['bleu']:.1f}"]
        if row["gain_bleu"] is None:
            line += ["–"] * 3
        else:
            line += [_interval(row, "gain_bleu", "+.1f"), p_value(row["gain_bleu_p"])]
            line += [f"{row['gain_chrf']:+.1f}"]
        line.append(marks.get((row["size"], row["arm"]), ""))
        table.add_row(*line, end_section=last)
    return table


def marks_of(findings: Findings) -> dict[tuple[Size, str], str]:
    """Sizes and arms of which a training was not ended by patience, with the mark of what did."""
    return {
        (row["size"], row["arm"]): NOTES[row["ended_by"]][0]
        for row in findings.cells
        if row["ended_by"] in NOTES
    }


def as_latex(findings: Findings) -> str:
    """Means for a paper, with booktabs: an arm a line, a size a column; a star where the gain is
    sure after correction, a dagger where a training was cut short."""
    sizes = {row["size"]: row["pairs"] for row in findings.means}
    of = {(row["arm"], row["size"]): row for row in findings.means}
    marks = marks_of(findings)

    def entry(arm: str, size: Size) -> str:
        row = of.get((arm, size))
        if row is None:
            return "--"
        short = r"$^\dagger$" if (size, arm) in marks else ""
        if row["gain_bleu"] is None:
            return f"{row['bleu']:.1f}{short}"
        star = r"$^*$" if row["gain_bleu_p"] < SURE else ""
        return f"{row['bleu']:.1f} (${row['gain_bleu']:+.1f}$){star}{short}"

    lines = [
        f"% {findings.name}, {findings.pair}: BLEU, in parentheses the gain over "
        f"{findings.baseline}; a star: p < {SURE} after Holm's correction; a dagger: of some "
        "seed patience did not end the training, which may still improve.",
        *sorted({f"% {row['bleu_signature']}" for row in findings.cells}),
        rf"\begin{{tabular}}{{l{'r' * len(sizes)}}}",
        r"\toprule",
        " & ".join(["sentence pairs", *(f"{pairs:,}" for pairs in sizes.values())]) + r" \\",
        r"\midrule",
        *(
            " & ".join([_escaped(arm), *(entry(arm, size) for size in sizes)]) + r" \\"
            for arm in findings.arms
        ),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def p_value(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else "<0.001"


def _escaped(name: str) -> str:
    """For LaTeX: what an arm may be called, and would mean something there."""
    return re.sub(r"([&%$#_{}])", r"\\\1", name)


def as_markdown(rows: list[Row]) -> str:
    lines = [HEADER, ["---" if name == "arm" else "---:" for name in HEADER]]
    lines += [_cells(row) for row in rows]
    note = "".join(f"\n{note}.\n" for note in _notes(rows))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines) + note


def people_agree(row: Row) -> str:
    """How often people prefer the better of an arm and the baseline, where it is sure which is."""
    if row["gain_bleu"] is None or row["gain_bleu_p"] >= SURE:
        return "–"
    share = agreement(row["gain_bleu"])
    return f"{'>' if share >= MOST else ''}{share:.0%}"


def summary_as_markdown(findings: Findings) -> str:
    """Means over seeds with their intervals, and what the gains are worth."""
    summaries, marks = findings.means, marks_of(findings)
    header = ["pairs", "arm", "seeds", "BLEU", "Δ BLEU", "p", "people agree", "Δ chrF", "p"]
    lines = [header, ["---" if name == "arm" else "---:" for name in header]]
    for row in summaries:
        line = [f"{row['pairs']:,}", row["arm"], str(row["seeds"])]
        mark = marks.get((row["size"], row["arm"]), "")
        line.append(f"{_interval(row, 'bleu', '.1f')} {mark}".rstrip())
        if row["gain_bleu"] is None:
            line += ["–"] * 5
        else:
            line += [_interval(row, "gain_bleu", "+.1f"), p_value(row["gain_bleu_p"])]
            line.append(people_agree(row))
            line += [_interval(row, "gain_chrf", "+.1f"), p_value(row["gain_chrf_p"])]
        lines.append(line)
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    seeds = max((row["seeds"] for row in summaries), default=0)
    spoken = "seeds and test sentences" if seeds > 1 else "test sentences; one seed can't say more"
    notes = "".join(f" {note}." for note in _notes(findings.cells))
    return (
        f"{table}\n95% intervals over {spoken}; p after Holm's correction for all "
        f"{findings.comparisons} comparisons of the experiment with its baseline, by each metric. "
        "People agree: how often they prefer the better of two systems that differ by so much "
        f"BLEU (Kocmi et al. 2024).{notes}\n"
    )


def contrasts_as_markdown(contrasts: list[Row]) -> str:
    """Arms that were compared with each other."""
    if not contrasts:
        return ""
    header = ["pairs", "arm", "compared with", "seeds", "Δ BLEU", "p", "Δ chrF", "p"]
    lines = [header, ["---:", "---", "---", *["---:"] * 5]]
    for row in contrasts:
        line = [f"{row['pairs']:,}", row["arm"], row["other"], str(row["seeds"])]
        for metric in METRICS:
            line += [_interval(row, f"gain_{metric}", "+.1f"), p_value(row[f"gain_{metric}_p"])]
        lines.append(line)
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return (
        f"Arms against each other:\n\n{table}\n95% intervals, and p after Holm's correction for "
        "all such comparisons of the experiment, by each metric.\n"
    )


def _interval(row: Row, key: str, form: str) -> str:
    return f"{row[key]:{form}} ({row[f'{key}_low']:{form}} to {row[f'{key}_high']:{form}})"


def coverage_as_markdown(rows: list[Row]) -> str:
    """How much of the text has vectors, for the arms that start from some: means over seeds, a line
    for all arms of a size that have the same."""
    covered = [row for row in rows if row["coverage"] is not None]
    if not covered:
        return ""
    header = ["pairs", *(f"{side}, {split}" for side in SIDES for split in ("train", "test"))]
    lines = [[*header, "arms"], [*["---:"] * len(header), "---"]]
    alike: dict[tuple[str, ...], list[str]] = {}
    for (size, arm), of_arm in _grouped(covered).items():
        shares = [_share(of_arm, side, split) for side in SIDES for split in ("train", "test")]
        pairs = round(mean(row["pairs"] for row in of_arm))
        alike.setdefault((str(size), f"{pairs:,}", *shares), []).append(arm)
    lines += [[*key[1:], ", ".join(arms)] for key, arms in alike.items()]
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return f"Types / tokens that have a vector, over seeds:\n\n{table}\n{_alignments(covered)}"


def _grouped(rows: list[Row]) -> dict[tuple[Size, str], list[Row]]:
    """The cells of each size and arm."""
    found: dict[tuple[Size, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row["size"], row["arm"]), []).append(row)
    return found


def _share(rows: list[Row], side: Side, split: str) -> str:
    """Of types and tokens that have a vector; a dash where the table starts at random."""
    if side not in rows[0]["coverage"]:
        return "–"
    return " / ".join(
        f"{mean(row['coverage'][side][split][of] for row in rows):.1%}"
        for of in ("types", "tokens")
    )


def _alignments(rows: list[Row]) -> str:
    """How well vectors were aligned; a line for each alignment, which cells may share."""
    found = {}
    for row in rows:
        if (alignment := row["alignment"]) is not None:
            before, after = alignment["rounds"][0], alignment["rounds"][-1]
            found[row["pairs"], row["arm"], row["seed"]] = (
                f"{row['arm']} at {row['pairs']:,} pairs, seed {row['seed']}: "
                f"{after['source_to_target']:.2f} / {after['target_to_source']:.2f} "
                f"(before refinement {before['source_to_target']:.2f} / "
                f"{before['target_to_source']:.2f}), of {alignment['held_out']} words held out"
            )
    if not found:
        return ""
    listed = "".join(f"- {line}\n" for line in found.values())
    return f"Alignment, precision at 1 by CSLS in either direction:\n\n{listed}\n"


def text_in_words(row: Row) -> str:
    """What became of one language's text for vectors and segmentation."""
    return (
        f"Text in {row['language']} for vectors and segmentation: {row['kept']:,} of "
        f"{row['read']:,} lines; {row['paired']:,} are sides of pairs, {row['leaks']:,} of dev or "
        "test, and are left out."
    )


def data_as_markdown(findings: Findings) -> str:
    """How the data came about, and what of it resembles dev and test."""
    corpora, rows = findings.corpora, findings.cells
    lines: list[Sequence[str]] = [
        ("corpus", "pairs read", "dropped", "duplicates", "leaks", "pool")
    ]
    lines.append(["---", *["---:"] * 5])
    for corpus in corpora:
        dropped = sum(corpus["dropped"].values())
        numbers = corpus["read"], dropped, corpus["duplicates"], corpus["leaks"], corpus["pool"]
        lines.append([corpus["corpus"], *(f"{number:,}" for number in numbers)])
    text = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    reasons = Counter[str]()
    for corpus in corpora:
        reasons.update(corpus["dropped"])
    if reasons:
        text += "\nDropped: " + ", ".join(f"{name} {n:,}" for name, n in reasons.items()) + ".\n"
    text += "".join(f"\n{text_in_words(row)}\n" for row in findings.monolingual)
    samples = {(row["pairs"], row["seed"]): row["near_duplicates"] for row in rows}
    found = [
        f"{alike['test']['pairs']:,} of {pairs:,} (seed {seed}; "
        f"{alike['test']['held_out']:,} test sentences)"
        for (pairs, seed), alike in samples.items()
        if alike is not None
    ]
    if found:
        text += f"\nPairs alike to a test sentence, of each sample: {', '.join(found)}.\n"
    return f"{text}\n"


def _cells(row: Row) -> list[str]:
    return [
        f"{row['pairs']:,}",
        row["arm"],
        str(row["seed"]),
        f"{row['bleu']:.1f}",
        f"{row['chrf']:.1f}",
        _gain(row, "gain_bleu"),
        *("" if row[key] is None else p_value(row[key]) for key in ("p_bleu", "p_bleu_ar")),
        _gain(row, "gain_chrf"),
        f"{row['updates']:,} {NOTES.get(row['ended_by'], ' ')[0]}".rstrip(),
    ]


def _notes(rows: list[Row]) -> list[str]:
    return [note for end, note in NOTES.items() if any(row["ended_by"] == end for row in rows)]


def _gain(row: Row, key: str) -> str:
    gain = row[key]
    # The baseline's own gain is 0 by definition; a dash says that there is nothing to compare.
    return "–" if gain is None or (gain == 0 and row["p_bleu"] is None) else f"{gain:+.1f}"
