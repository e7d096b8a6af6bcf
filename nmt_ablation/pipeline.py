"""The stages, in the order data flows: each a step of the workspace, in one short method.

Steps only name what they need; nothing runs until `Workspace.ensure`. Modules that import torch,
fairseq or gensim are imported where a stage runs, so that planning answers at once.
"""

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nmt_ablation.corpus import fetch, text
from nmt_ablation.corpus.lock import Lock
from nmt_ablation.corpus.text import Pair
from nmt_ablation.errors import UserError
from nmt_ablation.experiment import (
    SIDES,
    Arm,
    Cell,
    EncoderVectors,
    FileVectors,
    HeldOutSet,
    MonolingualCorpus,
    ParallelCorpus,
    Side,
    Size,
    TrainedVectors,
    Vectors,
    size_limit,
)
from nmt_ablation.experiment_file import ExperimentFile
from nmt_ablation.workspace import MANIFEST, PROVENANCE, Build, Json, Step, sha256

if TYPE_CHECKING:
    from nmt_ablation.segmentation import Segmenter

FIT_PAIRS = 1_000_000
"""Of the pool, on which a segmentation is fitted: more change no piece that matters."""


@dataclass(frozen=True)
class Places:
    """Where things are on this machine, and what it allows; none of it is part of an experiment."""

    mirror: str | None
    """A folder or URL in OPUS's layout to fetch from instead of OPUS."""
    data: Path
    """Where relative paths of held-out files start."""
    max_bytes: int | None = None
    """The largest file that may be fetched."""


class Pipeline:
    """All steps of an experiment."""

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
            return fetch.fetch(file, mirror, to.folder, to.tick, self.lock, max_bytes)

        return Step("fetch", 1, {"file": file}, {}, build, resumable=True)

    def clean(self, corpus: ParallelCorpus) -> Step:
        """A corpus's pairs that pass the filters."""
        limits, spelled = self.experiment.cleaning, self._languages(corpus)
        languages, name = self._languages(), corpus.corpus.name
        inputs = {"pairs": self.fetch(corpus)}
        if corpus.format == "xml":
            inputs = {"alignment": self.fetch(corpus)} | {
                side: self.fetch_documents(corpus, side) for side in SIDES
            }

        def build(to: Build) -> Json:
            from nmt_ablation.corpus import clean, cleaned, read

            files = {key: _only_file(folder) for key, folder in to.inputs.items()}
            if corpus.format == "xml":
                documents = files["source"], files["target"]
                blocks = read.xml_pairs(files["alignment"], documents, name, spelled)
            else:
                scored = corpus.min_score is not None
                blocks = read.moses_pairs(files["pairs"], spelled, scored, to.tick)
            cleaner = clean.Cleaner(limits, languages, corpus.min_score)
            cleaned.write(cleaner.blocks(blocks), to.folder, languages)
            return cleaner.record()

        parameters = {
            "limits": limits.model_dump(),
            "languages": languages,
            "spelled": spelled,
            "format": corpus.format,
            "min_score": corpus.min_score,
        }
        return Step("clean", 2, parameters, inputs, build)

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
                        f"{first.corpus}, the first of the corpora, has {left} left for it; ask "
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
            from nmt_ablation.corpus.resemblance import Resemblance

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
        """One language's text for vectors and segmentation, without a line of dev or test."""
        language, limits = self.experiment.language(side), self.experiment.cleaning
        corpora = {
            str(corpus): self.fetch(corpus, side) for corpus in self.experiment.corpora.monolingual
        }

        def build(to: Build) -> Json:
            from nmt_ablation.corpus import clean, measure, read

            held_out = measure.form_hashes(
                line
                for name in ("valid", "test")
                for line in text.stream_lines(to.inputs["hold-out"] / f"{name}.{language}")
            )
            cleaner = clean.TextCleaner(limits, language, held_out)
            with (to.folder / "text").open("wb") as file:
                for corpus in corpora:
                    file.writelines(cleaner.blocks(read.text_blocks(_only_file(to.inputs[corpus]))))
            record = cleaner.counts
            if not record["kept"]:
                raise UserError(f"the monolingual corpora have no text in {language}")
            return record

        return Step(
            "monolingual",
            2,
            {"language": language, "unicode": limits.unicode, "order": list(corpora)},
            corpora | {"hold-out": self.hold_out()},
            build,
        )

    def encoder(self) -> Step:
        """A multilingual encoder: its table, and its tokenizer."""
        config = self.experiment.encoder
        assert config is not None
        name, revision = config.name, config.revision
        local = self.places.data / name
        parameters: dict[str, Json] = {"name": name, "revision": revision}
        if local.is_dir():
            files = [path for path in sorted(local.iterdir()) if path.is_file()]
            parameters = {"files": {path.name: sha256(path) for path in files}}
            name = str(local)

        def build(to: Build) -> Json:
            from nmt_ablation.embeddings.encoder import fetch

            return fetch(name, revision, to.folder, to.tick)

        return Step("encoder", 1, parameters, {}, build, resumable=True)

    def segmentation(self, size: Size, seed: int) -> Step:
        """The segmentation and dictionaries; the same for all sizes unless fitted on the sample."""
        config, languages = self.experiment.segmentation, self._languages()
        inputs: dict[str, Step]
        if config.fit_on == "monolingual":
            inputs = {side: self.monolingual(side) for side in SIDES}
        elif config.fit_on == "pool":
            inputs = {"sample": self.text_of_pool()}
        else:
            inputs = {"sample": self.sample(size, seed)}
        if config.type == "encoder":
            inputs["encoder"] = self.encoder()

        def texts(to: Build, side: Side) -> Path:
            if config.fit_on == "monolingual":
                return to.inputs[side] / "text"
            return to.inputs["sample"] / f"train.{self.experiment.language(side)}"

        def build(to: Build) -> Json:
            from nmt_ablation import segmentation

            of_sides = {side: [texts(to, side)] for side in SIDES}
            segmentation.fit(config, of_sides, to.folder, to.inputs.get("encoder"))
            return {
                side: sum(1 for _ in text.stream_lines(to.folder / f"dictionary.{side}.txt"))
                for side in SIDES
            }

        parameters = config.model_dump() | {"languages": languages}
        return Step("segmentation", 1, parameters, inputs, build)

    def binarise(self, size: Size, seed: int) -> Step:
        """Train, valid and test, segmented and in fairseq's binary form."""
        config, form = self.experiment.segmentation, self.experiment.cleaning.unicode
        languages = dict(zip(SIDES, self._languages(), strict=True))

        def build(to: Build) -> Json:
            from nmt_ablation import segmentation
            from nmt_ablation.training.binarise import SPLITS, binarise

            segmented = to.folder / "segmented"
            segmented.mkdir()
            for side, language in languages.items():
                segmenter = segmentation.load(config, to.inputs["segmentation"], side)
                for split in SPLITS:
                    of = to.inputs["sample" if split == "train" else "hold-out"]
                    text.write_lines(
                        segmented / f"{split}.{language}",
                        (
                            " ".join(segmenter.encode(text.tidy(line, form)))
                            for line in text.stream_lines(of / f"{split}.{language}")
                        ),
                    )
            dictionaries = {
                language: segmentation.dictionary_file(to.inputs["segmentation"], side)
                for side, language in languages.items()
            }
            binarise(segmented, dictionaries, to.folder / "data-bin")
            return None

        inputs = {
            "sample": self.sample(size, seed),
            "hold-out": self.hold_out(),
            "segmentation": self.segmentation(size, seed),
        }
        parameters = {"segmentation": config.model_dump(), "unicode": form}
        return Step("binarise", 1, parameters, inputs, build)

    def vectors(self, name: str, size: Size, seed: int) -> Step:
        """Vectors of tokens or words, `source.vec` and `target.vec`: trained, or out of files."""
        config = self.experiment.vectors[name]
        if isinstance(config, EncoderVectors):
            return self._encoder_vectors(size, seed)
        if isinstance(config, TrainedVectors):
            made = self._trained_vectors(config, size, seed)
        else:
            made = self._file_vectors(config, size, seed)
        return self._aligned_vectors(config, made, size, seed) if config.align else made

    def _trained_vectors(self, config: TrainedVectors, size: Size, seed: int) -> Step:
        width = config.width or self.experiment.model.width

        def build(to: Build) -> Json:
            from nmt_ablation.embeddings.compose import BareWords
            from nmt_ablation.embeddings.train import train

            texts = {
                side: (
                    self._text(side, to),
                    BareWords() if config.of == "words" else self._segmenter(side, to),
                )
                for side in SIDES
            }
            files = {side: to.folder / f"{side}.vec" for side in SIDES}
            if config.joint:
                record = train(config, list(texts.values()), width, files["source"], to.tick)
                files["target"].hardlink_to(files["source"])
                return {"joint": record}
            return {
                side: train(config, [texts[side]], width, files[side], to.tick) for side in SIDES
            }

        inputs = self._texts(config.text, size, seed)
        if config.of == "tokens":
            inputs["segmentation"] = self.segmentation(size, seed)
        parameters = config.model_dump(exclude={"align", "missing"}) | {
            "width": width,
            "segmentation": self.experiment.segmentation.model_dump(),
            "languages": self._languages(),
        }
        return Step("vectors", 2, parameters, inputs, build)

    def _file_vectors(self, config: FileVectors, size: Size, seed: int) -> Step:
        paths = {
            side: self._data_file(name, "vectors come from it")
            for side, name in zip(SIDES, (config.source, config.target), strict=True)
        }

        def build(to: Build) -> Json:
            from nmt_ablation.embeddings import compose, vec
            from nmt_ablation.embeddings.read import read

            record = {}
            for side in SIDES:
                if config.of == "words":
                    names = list(compose.words(text.stream_lines(self._text(side, to))))
                else:
                    names = self._dictionary(side, to)
                wanted = dict.fromkeys(it for name in names for it in compose.spellings(name))
                found = read(paths[side], list(wanted), to.tick)
                if not found.tokens:
                    raise UserError(
                        f"{paths[side]}: has a vector for none of {len(names):,} "
                        f"{self.experiment.language(side)} {config.of}"
                    )
                vec.write(to.folder / f"{side}.vec", found.tokens, found.values)
                record[side] = {
                    "vectors": len(found.tokens),
                    "dimension": found.dimension,
                    "of_ngrams": len(found.composed),
                    "duplicates": found.duplicates,
                }
            return record

        inputs = {"segmentation": self.segmentation(size, seed)}
        if config.of == "words":
            inputs |= self._texts(self._vocabulary(config), size, seed)
        parameters = {
            "of": config.of,
            "files": [sha256(path) for path in paths.values()],
            "languages": self._languages(),
        }
        return Step("vectors", 2, parameters, inputs, build)

    def _encoder_vectors(self, size: Size, seed: int) -> Step:
        def build(to: Build) -> Json:
            from nmt_ablation.embeddings import vec
            from nmt_ablation.embeddings.encoder import table

            record = {}
            for side in SIDES:
                tokens, values = table(to.inputs["encoder"], self._dictionary(side, to))
                vec.write(to.folder / f"{side}.vec", tokens, values)
                record[side] = {"vectors": len(tokens), "dimension": int(values.shape[1])}
            return record

        inputs = {"encoder": self.encoder(), "segmentation": self.segmentation(size, seed)}
        return Step("vectors", 2, {"languages": self._languages()}, inputs, build)

    def _aligned_vectors(self, config: Vectors, made: Step, size: Size, seed: int) -> Step:
        """Vectors with the source side turned into the space of the target side."""
        aligning = config.align
        assert aligning is not None
        file = None
        if aligning.lexicon not in ("identical", "induced"):
            file = self._data_file(aligning.lexicon, "vectors are aligned by it")
        languages = self._languages()

        def entries(to: Build, tokens: list[list[str]]) -> list[tuple[str, str]]:
            from nmt_ablation.embeddings import compose, lexicon

            if file is not None:
                return lexicon.read_lexicon(file)
            if aligning.lexicon == "identical":
                return lexicon.identical(*tokens)
            sides = []
            for language in languages:
                if config.of == "tokens":
                    path = to.inputs["binarise"] / "segmented" / f"train.{language}"
                    sides.append([line.split() for line in text.stream_lines(path)])
                else:
                    lines = text.stream_lines(to.inputs["sample"] / f"train.{language}")
                    sides.append([compose.BareWords().encode(line) for line in lines])
            return lexicon.induced(*sides)

        def build(to: Build) -> Json:
            from nmt_ablation.embeddings import vec
            from nmt_ablation.embeddings.align import Space, align

            source, target = (
                Space(*vec.load(to.inputs["vectors"] / f"{side}.vec")) for side in SIDES
            )
            found = entries(to, [source.tokens, target.tokens])
            aligned = align(source, target, found, aligning.rounds, seed)
            for side, space in zip(SIDES, (aligned.source, aligned.target), strict=True):
                vec.write(to.folder / f"{side}.vec", space.tokens, space.values)
            return aligned.record

        inputs = {"vectors": made}
        if aligning.lexicon == "induced":
            inputs |= {"binarise": self.binarise(size, seed), "sample": self.sample(size, seed)}
        parameters = {
            "of": config.of,
            "lexicon": sha256(file) if file else aligning.lexicon,
            "rounds": aligning.rounds,
            "seed": seed,
            "languages": languages,
        }
        return Step("align", 1, parameters, inputs, build)

    def rows(self, arm: Arm, size: Size, seed: int) -> Step:
        """An arm's vectors on the rows of the dictionaries, and how much of the text they cover."""
        name = arm.vectors
        if name is None:
            raise ValueError("an arm without vectors has no rows")
        config = self.experiment.vectors[name]
        of_words = not isinstance(config, EncoderVectors) and config.of == "words"
        width = None if arm.dimension == "projection" else self.experiment.model.width
        placing: dict[str, Any] = {
            "matched": arm.scale == "matched",
            "width": width,
            "pca": arm.dimension == "pca",
            "shuffle": seed if arm.shuffled else None,
            "mean": config.missing == "mean",
        }

        def build(to: Build) -> Json:
            from nmt_ablation.embeddings import compose, vec
            from nmt_ablation.embeddings.place import coverage, place

            record = {}
            for side in SIDES:
                known = dict(zip(*vec.load(to.inputs["vectors"] / f"{side}.vec"), strict=True))
                tokens = self._dictionary(side, to)
                if of_words:
                    counts = compose.words(text.stream_lines(self._text(side, to)))
                    known = compose.compose(tokens, counts, self._segmenter(side, to), known)
                else:
                    known = compose.look_up(tokens, known)
                dictionary = _dictionary_file(to.inputs["segmentation"], side)
                placed = place(known, dictionary, to.folder / f"{side}.npz", **placing)
                segmented = to.inputs["binarise"] / "segmented"
                language = self.experiment.language(side)
                record[side] = {"rows": len(placed.tokens), "lengths": placed.lengths} | {
                    split: coverage(placed.tokens, segmented / f"{split}.{language}")
                    for split in ("train", "test")
                }
            return record

        inputs = {
            "vectors": self.vectors(name, size, seed),
            "segmentation": self.segmentation(size, seed),
            "binarise": self.binarise(size, seed),
        }
        if of_words:
            inputs |= self._texts(self._vocabulary(config), size, seed)
        parameters = placing | {"of_words": of_words, "languages": self._languages()}
        return Step("rows", 3, parameters, inputs, build)

    def train(self, cell: Cell) -> Step:
        """One model."""
        arm = self.experiment.arms[cell.arm]
        model, training = self.experiment.model, self.experiment.training
        bleu_tokenizer = self.experiment.scoring.bleu_tokenizer
        segmented_by = self.experiment.segmentation
        tables: dict[str, Any] = {
            "sides": arm.sides if arm.differs else (),
            "frozen": arm.tuning == "frozen",
            "thaw_at": arm.thaw_at or 0,
            "learning_rate": arm.learning_rate,
            "projection": arm.dimension == "projection",
            "tying": self.experiment.tying(arm),
            "seed": cell.seed,
        }
        inputs = {
            "binarise": self.binarise(cell.size, cell.seed),
            "segmentation": self.segmentation(cell.size, cell.seed),
        }
        if arm.vectors is not None:
            inputs["rows"] = self.rows(arm, cell.size, cell.seed)

        def build(to: Build) -> Json:
            from nmt_ablation import segmentation
            from nmt_ablation.training import launch
            from nmt_ablation.training.tables import Tables

            rows = {side: str(to.inputs["rows"] / f"{side}.npz") for side in arm.vector_sides}
            arguments = launch.Arguments(
                data=to.inputs["binarise"] / "data-bin",
                source=self.experiment.source,
                target=self.experiment.target,
                tables=Tables(rows=rows, **tables),
                model=model,
                training=training,
                seed=cell.seed,
                segmenter=segmentation.load(segmented_by, to.inputs["segmentation"], "target"),
                bleu_tokenizer=bleu_tokenizer,
            )
            return launch.train(arguments, to.folder, to.tick)

        parameters: dict[str, Json] = {
            "tables": tables,
            "model": model.model_dump(exclude={"tying"}),
            "training": training.model_dump(),
            "seed": cell.seed,
        }
        # The valid set is scored like the test set; only what isn't usual is part of the digest.
        if bleu_tokenizer != "13a":
            parameters["bleu_tokenizer"] = bleu_tokenizer
        return Step("train", 1, parameters, inputs, build, resumable=True)

    def translate(self, cell: Cell) -> Step:
        """The test set's hypotheses, detokenised."""
        decoding, threads = self.experiment.decoding, self.experiment.training.threads
        form = self.experiment.cleaning.unicode
        segmented_by = self.experiment.segmentation

        def build(to: Build) -> Json:
            from nmt_ablation import decoding as decoder
            from nmt_ablation import segmentation

            source = to.inputs["hold-out"] / f"test.{self.experiment.source}"
            hypotheses = decoder.translate(
                [text.tidy(line, form) for line in text.stream_lines(source)],
                to.inputs["train"] / "checkpoint_best.pt",
                to.inputs["binarise"] / "data-bin",
                (
                    segmentation.load(segmented_by, to.inputs["segmentation"], "source"),
                    segmentation.load(segmented_by, to.inputs["segmentation"], "target"),
                ),
                decoding,
                threads,
                to.tick,
            )
            text.write_lines(to.folder / "hypotheses.txt", hypotheses)
            return None

        inputs = {
            "train": self.train(cell),
            "hold-out": self.hold_out(),
            "binarise": self.binarise(cell.size, cell.seed),
            "segmentation": self.segmentation(cell.size, cell.seed),
        }
        parameters = decoding.model_dump() | {"threads": threads}
        return Step("translate", 1, parameters, inputs, build)

    def score(self, cell: Cell) -> Step:
        """BLEU and chrF of a cell, with their signatures."""
        scoring, target = self.experiment.scoring, self.experiment.target

        def build(to: Build) -> Json:
            from nmt_ablation.scoring import score

            return score(
                list(text.stream_lines(to.inputs["translate"] / "hypotheses.txt")),
                list(text.stream_lines(to.inputs["hold-out"] / f"test.{target}")),
                scoring.bleu_tokenizer,
            )

        inputs = {"translate": self.translate(cell), "hold-out": self.hold_out()}
        return Step("score", 1, scoring.model_dump() | {"target": target}, inputs, build)

    def compare(self, cell: Cell) -> Step:
        """Whether a cell's score differs from the baseline's in the same size and seed."""
        scoring, target = self.experiment.scoring, self.experiment.target
        baseline = cell.model_copy(update={"arm": self.experiment.baseline})

        def build(to: Build) -> Json:
            from nmt_ablation.scoring import compare

            return compare(
                list(text.stream_lines(to.inputs["baseline"] / "hypotheses.txt")),
                list(text.stream_lines(to.inputs["arm"] / "hypotheses.txt")),
                list(text.stream_lines(to.inputs["hold-out"] / f"test.{target}")),
                scoring.bleu_tokenizer,
            )

        inputs = {
            "arm": self.translate(cell),
            "baseline": self.translate(baseline),
            "hold-out": self.hold_out(),
        }
        return Step("compare", 1, scoring.model_dump() | {"target": target}, inputs, build)

    def scores(self, cells: list[Cell]) -> list[Step]:
        """All that some cells come to."""
        return [self.score(cell) for cell in cells]

    def fetched(self) -> list[Step]:
        """All files of all corpora."""
        corpora = self.experiment.corpora
        parallel = [self.clean(corpus).inputs.values() for corpus in corpora.parallel]
        text = [self.fetch(corpus, side) for corpus in corpora.monolingual for side in SIDES]
        return [*itertools.chain(*parallel), *text]

    def preparation(self) -> list[Step]:
        """All that cells share, so that what is wrong with it is said before any training."""
        cells = self.experiment.cells()
        samples = [self.sample(cell.size, cell.seed) for cell in reversed(cells)]
        alike = [self.near_duplicates(cell.size, cell.seed) for cell in cells]
        shared = [self.train(cell).inputs.values() for cell in cells]
        steps = {step.digest: step for step in itertools.chain(samples, alike, *shared)}
        return list(steps.values())

    def _languages(self, corpus: MonolingualCorpus | None = None) -> tuple[str, str]:
        """Source and target, as a corpus spells them."""
        pair = self.experiment.pair if corpus is None else corpus.pair or self.experiment.pair
        source, target = pair.split("-")
        return source, target

    def _clean_corpora(self) -> dict[str, Step]:
        """By names, in their order."""
        return {str(corpus): self.clean(corpus) for corpus in self.experiment.corpora.parallel}

    def _vocabulary(self, config: Vectors | EncoderVectors) -> Literal["monolingual", "sample"]:
        """The text whose words count, where vectors are of words."""
        if isinstance(config, TrainedVectors):
            return config.text  # those of the sample alone may know of no other text
        return "monolingual" if self.experiment.corpora.monolingual else "sample"

    def _texts(
        self, kind: Literal["monolingual", "sample"], size: Size, seed: int
    ) -> dict[str, Step]:
        """The steps that leave text, as inputs of another."""
        if kind == "sample":
            return {"sample": self.sample(size, seed)}
        return {side: self.monolingual(side) for side in SIDES}

    def _text(self, side: Side, to: Build) -> Path:
        """One side of the text that `_texts` left."""
        if side in to.inputs:
            return to.inputs[side] / "text"
        return to.inputs["sample"] / f"train.{self.experiment.language(side)}"

    def _segmenter(self, side: Side, to: Build) -> "Segmenter":
        from nmt_ablation import segmentation

        return segmentation.load(self.experiment.segmentation, to.inputs["segmentation"], side)

    def _dictionary(self, side: Side, to: Build) -> list[str]:
        """The tokens of a side's dictionary."""
        path = _dictionary_file(to.inputs["segmentation"], side)
        return [line.rsplit(" ", 1)[0] for line in text.stream_lines(path)]

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


def _dictionary_file(folder: Path, side: Side) -> Path:
    from nmt_ablation.segmentation import dictionary_file

    return dictionary_file(folder, side)
