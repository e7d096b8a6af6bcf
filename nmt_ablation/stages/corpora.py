"""From OPUS to samples: fetched, cleaned, held out, pooled, drawn."""

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from nmt_ablation.corpus import text
from nmt_ablation.corpus.text import Pair
from nmt_ablation.errors import UserError
from nmt_ablation.experiment import (
    SIDES,
    HeldOutSet,
    MonolingualCorpus,
    OwnText,
    ParallelCorpus,
    Side,
    Size,
    size_limit,
)
from nmt_ablation.experiment_file import ExperimentFile
from nmt_ablation.files import sha256
from nmt_ablation.opus import fetch
from nmt_ablation.opus.lock import Lock
from nmt_ablation.places import Places
from nmt_ablation.workspace import MANIFEST, PROVENANCE, Build, Json, Step

if TYPE_CHECKING:
    from nmt_ablation.corpus.read import RawBlock

FIT_PAIRS = 1_000_000
"""Of the pool, on which a segmentation is fitted: more change no piece that matters."""


class CorpusStages:
    """The steps of an experiment that make its text."""

    def __init__(self, file: ExperimentFile, places: Places) -> None:
        self.file = file
        self.experiment = file.experiment
        self.places = places
        self.lock = Lock.beside(file.path)

    def fetch(self, corpus: MonolingualCorpus, side: Side | None = None) -> Step:
        """A corpus's sentence pairs (or their alignment), or its text in one language."""
        languages = self._languages(corpus)
        if side is not None:
            return self._fetch(fetch.monolingual_file(corpus.corpus, languages[SIDES.index(side)]))
        if isinstance(corpus, ParallelCorpus) and corpus.format == "xml":
            return self._fetch(fetch.alignment_file(corpus.corpus, *languages))
        return self._fetch(fetch.parallel_file(corpus.corpus, *languages))

    def fetch_documents(self, corpus: ParallelCorpus, side: Side) -> Step:
        """The documents of one side that an xml corpus aligns."""
        language = self._languages(corpus)[SIDES.index(side)]
        return self._fetch(fetch.documents_file(corpus.corpus, language))

    def _fetch(self, file: str) -> Step:
        mirror, max_bytes = self.places.mirror, self.places.max_bytes

        def build(to: Build) -> Json:
            return fetch.fetch(file, mirror, to.folder, to.progress, self.lock, max_bytes)

        return Step("fetch", 1, {"file": file}, {}, build, resumable=True)

    def own_files(self, corpus: OwnText) -> list[Path]:
        """Source and target, which the experiment names itself."""
        return [
            self._data_file(name, "a corpus consists of it")
            for name in (corpus.source, corpus.target)
        ]

    def clean(self, corpus: ParallelCorpus | OwnText) -> Step:
        """A corpus's pairs that pass the filters."""
        if isinstance(corpus, OwnText):
            return self._clean_own(corpus)
        limits, spelled = self.experiment.cleaning, self._languages(corpus)
        languages, name = self._languages(), corpus.corpus.name
        inputs = {"pairs": self.fetch(corpus)}
        if corpus.format == "xml":
            inputs = {"alignment": self.fetch(corpus)} | {
                side: self.fetch_documents(corpus, side) for side in SIDES
            }

        def build(to: Build) -> Json:
            from nmt_ablation.corpus import read

            files = {key: _only_file(folder) for key, folder in to.inputs.items()}
            if corpus.format == "xml":
                documents = files["source"], files["target"]
                blocks = read.xml_pairs(files["alignment"], documents, name, spelled)
            else:
                scored = corpus.min_score is not None
                blocks = read.moses_pairs(files["pairs"], spelled, scored, to.progress)
            return self._cleaned(blocks, to, corpus.min_score)

        parameters = {
            "limits": limits.model_dump(),
            "languages": languages,
            "spelled": spelled,
            "format": corpus.format,
            "min_score": corpus.min_score,
        }
        return Step("clean", 2, parameters, inputs, build)

    def _clean_own(self, corpus: OwnText) -> Step:
        limits, languages = self.experiment.cleaning, self._languages()
        paths = self.own_files(corpus)

        def build(to: Build) -> Json:
            from nmt_ablation.corpus import read

            return self._cleaned(read.own_pairs(paths, to.progress), to, None)

        parameters = {
            "limits": limits.model_dump(),
            "languages": languages,
            "files": [sha256(path) for path in paths],
        }
        return Step("clean", 2, parameters, {}, build)

    def _cleaned(self, blocks: Iterable["RawBlock"], to: Build, min_score: float | None) -> Json:
        """Write those of a corpus's pairs that pass the filters; what became of all of them."""
        from nmt_ablation.corpus import clean, cleaned

        languages = self._languages()
        cleaner = clean.Cleaner(self.experiment.cleaning, languages, min_score)
        cleaned.write(cleaner.blocks(blocks), to.folder, languages)
        return cleaner.record()

    def test_set(self, name: str) -> Step:
        """A test set that sacreBLEU knows."""
        pair, languages = self.experiment.pair, self._languages()

        def build(to: Build) -> Json:
            from nmt_ablation.corpus.test_set import named

            pairs = named(name, pair)
            text.write_pairs(pairs, to.folder / "pairs", languages)
            return {"name": name, "pairs": len(pairs)}

        return Step("test-set", 1, {"name": name, "pair": pair}, {}, build)

    def hold_out(self) -> Step:
        """`valid` and `test`: what is given, and what is drawn from the first corpus."""
        sets = {"test": self.experiment.held_out.test, "valid": self.experiment.held_out.valid}
        files = {name: self._held_out_files(config) for name, config in sets.items()}
        languages = self._languages()
        first = self.experiment.corpora.parallel[0]
        inputs = {
            f"{name}: {config.sacrebleu}": self.test_set(config.sacrebleu)
            for name, config in sets.items()
            if config.sacrebleu is not None
        }
        if any(config.pairs for config in sets.values()):
            inputs["first"] = self.clean(first)
        parameters = {
            name: {"pairs": config.pairs, "files": [sha256(path) for path in files[name]]}
            for name, config in sets.items()
        }

        def given(name: str, to: Build) -> list[Pair]:
            if files[name]:
                return text.read_pair_of_files(*files[name])
            if (test_set := to.inputs.get(f"{name}: {sets[name].sacrebleu}")) is not None:
                return list(text.read_pairs(test_set / "pairs", languages))
            return []

        def build(to: Build) -> Json:
            from nmt_ablation.corpus import cleaned, hold_out

            wanted = {name: (config.pairs, given(name, to)) for name, config in sets.items()}
            drawn_from = to.inputs.get("first")
            corpus = cleaned.CleanCorpus(drawn_from, languages) if drawn_from else None
            chosen = hold_out.set_aside(corpus, wanted)
            for name, (number, pairs) in wanted.items():
                left = len(chosen[name]) - len(pairs)
                if left < number:
                    raise UserError(
                        f"{self.file.path}: held_out.{name} asks for {number} pairs, and "
                        f"{first}, the first of the corpora, has {left} left for it; ask "
                        "for fewer, or put a larger corpus first"
                    )
                text.write_pairs(chosen[name], to.folder / name, languages)
            return {
                name: {"pairs": len(pairs), "drawn": wanted[name][0]}
                for name, pairs in chosen.items()
            }

        return Step("hold-out", 2, parameters | {"languages": languages}, inputs, build)

    def pool(self) -> Step:
        """Where each pair stands that may be trained on, each once."""
        corpora, languages = self._clean_corpora(), self._languages()

        def build(to: Build) -> Json:
            from nmt_ablation.corpus import cleaned, hold_out, pool

            held_out = hold_out.HeldOutText(
                pair
                for name in ("valid", "test")
                for pair in text.read_pairs(to.inputs["hold-out"] / name, languages)
            )
            clean_corpora = [cleaned.CleanCorpus(to.inputs[name], languages) for name in corpora]
            counts = pool.build(clean_corpora, held_out, to.folder, to.folder / "pool.bin")
            return {
                "pairs": sum(counts.pool),
                "corpora": {
                    name: {"pairs": pairs, "duplicates": duplicates, "dropped_as_leaks": leaks}
                    for name, pairs, duplicates, leaks in zip(
                        corpora, counts.pool, counts.duplicates, counts.leaks, strict=True
                    )
                },
            }

        # Inputs go by name, and of duplicates the earlier corpus's is kept.
        parameters = {"languages": languages, "order": list(corpora)}
        return Step("pool", 1, parameters, corpora | {"hold-out": self.hold_out()}, build)

    def sample(self, size: Size, seed: int) -> Step:
        """The pool's pairs for one size and seed."""
        return self._sample(*size_limit(size), f"sample: {seed}", size)

    def text_of_pool(self) -> Step:
        """As much of the pool as is needed to fit a segmentation on it."""
        return self._sample(FIT_PAIRS, False, "text of the pool", None)

    def _sample(self, limit: int | None, by_tokens: bool, key: str, size: Size | None) -> Step:
        """The pool's pairs of smallest rank under a key; for a size there may not be fewer."""
        corpora, languages = self._clean_corpora(), self._languages()

        def build(to: Build) -> Json:
            from nmt_ablation.corpus import cleaned, pool

            texts = [cleaned.CleanCorpus(to.inputs[name], languages) for name in corpora]
            smallest = pool.draw(to.inputs["pool"] / "pool.bin", limit, by_tokens, key)
            if size is not None and smallest.weight() < (limit or 1):
                asked = f"{limit:,} {'tokens' if by_tokens else 'pairs'}" if limit else "all pairs"
                raise UserError(
                    f"{self.file.where(size)}: a sample of {asked}, and the pool has "
                    f"{smallest.weight():,}; allowed: up to {smallest.weight():,}, or all"
                )
            drawn = pool.write(smallest, texts, to.folder / "train", languages)
            return {
                "pairs": sum(drawn),
                "key": key,
                "corpora": dict(zip(corpora, drawn, strict=True)),
            }

        parameters = {"limit": limit, "tokens": by_tokens, "key": key, "languages": languages}
        return Step("sample", 2, parameters, corpora | {"pool": self.pool()}, build)

    def near_duplicates(self, size: Size, seed: int) -> Step:
        """How many pairs of a sample resemble a sentence of dev or test."""
        languages = self._languages()

        def build(to: Build) -> Json:
            from nmt_ablation.corpus.near_duplicates import Resemblance

            record = {}
            for name in ("valid", "test"):
                held_out = [
                    text.stream_lines(to.inputs["hold-out"] / f"{name}.{language}")
                    for language in languages
                ]
                record[name] = Resemblance(*map(list, held_out)).count(
                    text.read_pairs(to.inputs["sample"] / "train", languages)
                )
            return record

        inputs = {"sample": self.sample(size, seed), "hold-out": self.hold_out()}
        return Step("near-duplicates", 1, {"languages": languages}, inputs, build)

    def monolingual(self, side: Side) -> Step:
        """One language's text for vectors and segmentation, without a line of dev, test or any
        sentence pair."""
        language, limits = self.experiment.language(side), self.experiment.cleaning
        corpora = self.experiment.corpora.monolingual
        own = {
            str(corpus): self.own_files(corpus)[SIDES.index(side)]
            for corpus in corpora
            if isinstance(corpus, OwnText)
        }
        fetched = {
            str(corpus): self.fetch(corpus, side)
            for corpus in corpora
            if not isinstance(corpus, OwnText)
        }
        parallel = {f"parallel: {name}": step for name, step in self._clean_corpora().items()}

        def build(to: Build) -> Json:
            import numpy as np

            from nmt_ablation.corpus import clean, cleaned, measure, read

            held_out = measure.form_hashes(
                line
                for name in ("valid", "test")
                for line in text.stream_lines(to.inputs["hold-out"] / f"{name}.{language}")
            )
            forms = [
                rows[f"{side}_form"].copy()  # or all of the index would stay in memory
                for name in parallel
                for rows in cleaned.CleanCorpus(to.inputs[name], self._languages()).index()
            ]
            cleaner = clean.TextCleaner(limits, language, held_out, np.concatenate(forms))
            with (to.folder / "text").open("wb") as file:
                for name in map(str, corpora):
                    path = own[name] if name in own else _only_file(to.inputs[name])
                    file.writelines(cleaner.blocks(read.text_blocks(path)))
            record = cleaner.counts
            if not record["kept"]:
                raise UserError(
                    f"the monolingual corpora have no text in {language} but what is in the "
                    "parallel ones; name others, or train vectors on the sample (text: sample)"
                )
            return record

        return Step(
            "monolingual",
            3,
            {
                "language": language,
                "unicode": limits.unicode,
                "order": list(map(str, corpora)),
                **({"files": [sha256(path) for path in own.values()]} if own else {}),
            },
            fetched | parallel | {"hold-out": self.hold_out()},
            build,
        )

    def fetched(self) -> list[Step]:
        """All files of all corpora of OPUS."""
        corpora = self.experiment.corpora
        parallel = [self.clean(corpus).inputs.values() for corpus in corpora.parallel]
        text = [
            self.fetch(corpus, side)
            for corpus in corpora.monolingual
            if not isinstance(corpus, OwnText)
            for side in SIDES
        ]
        return [*itertools.chain(*parallel), *text]

    def _languages(self, corpus: MonolingualCorpus | None = None) -> tuple[str, str]:
        """Source and target, as a corpus spells them."""
        pair = self.experiment.pair if corpus is None else corpus.pair or self.experiment.pair
        source, target = pair.split("-")
        return source, target

    def _clean_corpora(self) -> dict[str, Step]:
        """By names, in their order."""
        return {str(corpus): self.clean(corpus) for corpus in self.experiment.corpora.parallel}

    def _data_file(self, name: str, why: str) -> Path:
        """A file that the experiment names."""
        path = self.places.data / name
        if not path.is_file():
            raise UserError(
                f"{path}: there is no such file, and in {self.file.path} {why}; pass --data DIR or "
                "set NMT_ABLATION_DATA to the folder it stands in"
            )
        return path

    def _held_out_files(self, config: HeldOutSet) -> tuple[Path, Path] | tuple[()]:
        if config.source is None or config.target is None:
            return ()
        source, target = config.source, config.target
        return self._data_file(source, "it is held out"), self._data_file(target, "it is held out")


def _only_file(folder: Path) -> Path:
    """What was fetched into an artifact's folder."""
    (file,) = (path for path in folder.iterdir() if path.name not in (MANIFEST, PROVENANCE))
    return file
