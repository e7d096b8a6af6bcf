"""The rows of the text that an experiment used."""

from collections.abc import Iterator

from nmt_ablation.artifact import Provenance
from nmt_ablation.pipeline import Pipeline
from nmt_ablation.results.rows import CorpusRow, FurtherRow, MonolingualRow
from nmt_ablation.stages.further import FurtherPairs
from nmt_ablation.stages.pool import Pool
from nmt_ablation.values import SIDES


def corpora_rows(pipeline: Pipeline, records: Provenance) -> list[CorpusRow]:
    """Return a row for each corpus of the pool."""
    pool = records[pipeline.pool()].corpora
    rows = []
    for corpus in pipeline.experiment.corpora.parallel:
        cleaned, left = records[pipeline.clean(corpus)], pool[str(corpus)]
        rows.append(
            CorpusRow(
                corpus=str(corpus),
                read=cleaned.read,
                dropped={name: it.pairs for name, it in cleaned.dropped.items() if it.pairs},
                duplicates=left.duplicates,
                leaks=left.dropped_as_leaks,
                pool=left.pairs,
            )
        )
    return rows


def monolingual_rows(pipeline: Pipeline, records: Provenance) -> list[MonolingualRow]:
    """Return a row for each language whose text was used."""
    experiment = pipeline.experiment
    if experiment.corpora.monolingual == "rest":
        return _rest(pipeline, records)
    rows = []
    for side in experiment.corpora.text_sides():
        stage = pipeline.monolingual(side)
        if stage in records:
            record = records[stage]
            rows.append(
                MonolingualRow(
                    language=experiment.language(side),
                    read=record.read,
                    kept=record.kept,
                    leaks=record.dropped_as_leaks,
                    paired=record.in_parallel_corpora,
                )
            )
    return rows


def further_rows(pipeline: Pipeline, records: Provenance) -> Iterator[FurtherRow]:
    """Yield a row for each set of further pairs that was used, and for the pool of each parent."""
    stages: dict[str, FurtherPairs | Pool] = {
        **{name: pipeline.further(name) for name in pipeline.experiment.corpora.further},
        **{name: pipeline.parent(name).pool() for name in pipeline.file.parents},
    }
    for name, stage in stages.items():
        if stage not in records:
            continue
        cleaned, found = [records[it] for it in stage.corpora], records[stage].corpora.values()
        read, kept = sum(it.read for it in cleaned), sum(it.kept for it in cleaned)
        yield FurtherRow(
            name=name,
            pair="-".join(stage.languages),
            read=read,
            kept=sum(it.pairs for it in found),
            dropped=read - kept,
            duplicates=sum(it.duplicates for it in found),
            shared=sum(it.shared for it in found),
            leaks=sum(it.dropped_as_leaks for it in found),
        )


def _rest(pipeline: Pipeline, records: Provenance) -> list[MonolingualRow]:
    """Return a row for each language of the rest of the pool, if the rest was used."""
    if (stage := pipeline.rest()) not in records:
        return []
    record = records[stage]
    return [
        MonolingualRow(
            language=pipeline.experiment.language(side),
            read=record.pairs,
            kept=kept,
            leaks=0,
            paired=record.in_samples + repeated,
        )
        for side, kept, repeated in zip(SIDES, record.kept, record.repeated, strict=True)
    ]
