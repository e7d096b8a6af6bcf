"""The stages, in the order data flows: each a step of the workspace, in one short method.

Steps only name what they need; nothing runs until `Workspace.ensure`. Modules that import torch,
fairseq or gensim are imported where a stage runs, so that planning answers at once.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nmt_ablation.corpus import clean, fetch, hold_out, sample, text
from nmt_ablation.corpus.text import Pair
from nmt_ablation.errors import UserError
from nmt_ablation.experiment import (
    SIDES,
    Cell,
    HeldOutSet,
    MonolingualCorpus,
    Side,
    Size,
)
from nmt_ablation.experiment_file import ExperimentFile
from nmt_ablation.workspace import Build, Json, Step, sha256


@dataclass(frozen=True)
class Places:
    """Where things are on this machine; none of it is part of an experiment."""

    mirror: Path | None
    """A folder in OPUS's layout."""
    data: Path
    """Where relative paths of held-out files start."""


class Pipeline:
    """All steps of an experiment."""

    def __init__(self, file: ExperimentFile, places: Places) -> None:
        self.file = file
        self.experiment = file.experiment
        self.places = places

    def fetch(self, corpus: MonolingualCorpus, side: Side | None = None) -> Step:
        """A corpus's sentence pairs, or its text in one language."""
        languages = self._languages(corpus)
        file = (
            fetch.parallel_file(corpus.corpus, *languages)
            if side is None
            else fetch.monolingual_file(corpus.corpus, languages[SIDES.index(side)])
        )
        mirror = self.places.mirror

        def build(to: Build) -> Json:
            return fetch.fetch(file, mirror, to.folder, to.tick)

        return Step("fetch", 1, {"file": file}, {}, build)

    def clean(self) -> Step:
        """The pairs of all corpora that pass the filters."""
        inputs = {
            str(corpus.corpus): self.fetch(corpus) for corpus in self.experiment.corpora.parallel
        }
        limits, languages = self.experiment.cleaning, self._languages()

        def build(to: Build) -> Json:
            counts: Json = {}
            with text.PairWriter(to.folder / "pairs", languages) as writer:
                for corpus in sorted(inputs):
                    cleaner = clean.Cleaner(limits)
                    (archive,) = to.inputs[corpus].glob("*.zip")
                    for pair in cleaner.pairs(text.read_opus_pairs(archive, *languages)):
                        writer.write(pair)
                    counts[corpus] = {
                        "read": cleaner.read,
                        "kept": cleaner.kept,
                        "dropped": cleaner.dropped,
                        "examples": cleaner.examples,
                    }
            return counts

        return Step(
            "clean", 1, {"limits": limits.model_dump(), "languages": languages}, inputs, build
        )

    def hold_out(self) -> Step:
        """`valid`, `test` and `pool`, with nothing in the pool that occurs in the other two."""
        sets = {"test": self.experiment.held_out.test, "valid": self.experiment.held_out.valid}
        files = {name: self._held_out_files(config) for name, config in sets.items()}
        languages = self._languages()
        parameters = {
            name: {"pairs": config.pairs, "files": [sha256(path) for path in files[name]]}
            for name, config in sets.items()
        }

        def build(to: Build) -> Json:
            def pairs() -> Iterator[Pair]:
                return text.read_pairs(to.inputs["clean"] / "pairs", languages)

            wanted = {
                name: (config.pairs, text.read_pair_of_files(*files[name]) if files[name] else [])
                for name, config in sets.items()
            }
            chosen = hold_out.set_aside(pairs, wanted)
            for name, (number, given) in wanted.items():
                left = len(chosen[name]) - len(given)
                if left < number:
                    raise UserError(
                        f"{self.file.path}: held_out.{name} asks for {number} pairs, and the "
                        f"corpora have {left} left for it; ask for fewer, or add corpora"
                    )
                text.write_pairs(chosen[name], to.folder / name, languages)
            pool = hold_out.Pool(pair for held_out in chosen.values() for pair in held_out)
            text.write_pairs(pool.of(pairs()), to.folder / "pool", languages)
            return {name: len(held_out) for name, held_out in chosen.items()} | {
                "pool": len(pool.distinct),
                "duplicates": pool.kept - len(pool.distinct),
                "dropped_as_leaks": pool.leaked,
            }

        return Step(
            "hold-out", 1, parameters | {"languages": languages}, {"clean": self.clean()}, build
        )

    def sample(self, size: Size, seed: int) -> Step:
        """The pool's n pairs for one size and seed."""
        languages = self._languages()

        def build(to: Build) -> Json:
            pool = text.read_pairs(to.inputs["hold-out"] / "pool", languages)
            n = None if size == "all" else size
            chosen = sample.smallest(pool, n, f"sample: {seed}")
            if not chosen or (n is not None and len(chosen) < n):
                raise UserError(
                    f"{self.file.where(size)}: a sample of {size} pairs, and the pool has "
                    f"{len(chosen)}; allowed: up to {len(chosen)}, or all"
                )
            text.write_pairs(chosen, to.folder / "train", languages)
            return {"pairs": len(chosen)}

        parameters = {"size": size, "seed": seed, "languages": languages}
        return Step("sample", 1, parameters, {"hold-out": self.hold_out()}, build)

    def monolingual(self, side: Side) -> Step:
        """One language's text for vectors and segmentation, without a line of dev or test."""
        language, languages = self.experiment.language(side), self._languages()
        corpora = {
            str(corpus.corpus): self.fetch(corpus, side)
            for corpus in self.experiment.corpora.monolingual
        }

        def build(to: Build) -> Json:
            held_out = {
                text.normal_form(line)
                for name in ("valid", "test")
                for line in text.stream_lines(to.inputs["hold-out"] / f"{name}.{language}")
            }
            cleaner = clean.TextCleaner(held_out)
            archives = [
                path for corpus in sorted(corpora) for path in to.inputs[corpus].glob("*.gz")
            ]
            raw = itertools.chain.from_iterable(map(text.read_opus_text, archives))
            text.write_lines(to.folder / "text", cleaner.lines(raw))
            record = cleaner.counts
            if not record["kept"]:
                raise UserError(f"the monolingual corpora have no text in {language}")
            return record

        return Step(
            "monolingual",
            1,
            {"language": language, "languages": languages},
            corpora | {"hold-out": self.hold_out()},
            build,
        )

    def segmentation(self, size: Size, seed: int) -> Step:
        """The segmentation and dictionaries; the same for all sizes unless fitted on the sample."""
        config, languages = self.experiment.segmentation, self._languages()
        inputs: dict[str, Step]
        if config.fit_on == "monolingual":
            inputs = {side: self.monolingual(side) for side in SIDES}
        elif config.fit_on == "pool":
            inputs = {"hold-out": self.hold_out()}
        else:
            inputs = {"sample": self.sample(size, seed)}

        def texts(to: Build, side: Side) -> Path:
            if config.fit_on == "monolingual":
                return to.inputs[side] / "text"
            (folder,) = to.inputs.values()
            stem = "pool" if config.fit_on == "pool" else "train"
            return folder / f"{stem}.{self.experiment.language(side)}"

        def build(to: Build) -> Json:
            from nmt_ablation import segmentation

            segmentation.fit(config, {side: [texts(to, side)] for side in SIDES}, to.folder)
            return {
                side: sum(1 for _ in text.stream_lines(to.folder / f"dictionary.{side}.txt"))
                for side in SIDES
            }

        parameters = config.model_dump() | {"languages": languages}
        return Step("segmentation", 1, parameters, inputs, build)

    def binarise(self, size: Size, seed: int) -> Step:
        """Train, valid and test, segmented and in fairseq's binary form."""
        config = self.experiment.segmentation
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
                            " ".join(segmenter.encode(text.tidy(line)))
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
        return Step("binarise", 1, {"segmentation": config.model_dump()}, inputs, build)

    def vectors(self, name: str, size: Size, seed: int) -> Step:
        """Vectors trained on segmented monolingual text."""
        config, width = self.experiment.vectors[name], self.experiment.model.width
        segmented_by = self.experiment.segmentation

        def build(to: Build) -> Json:
            from nmt_ablation import segmentation
            from nmt_ablation.embeddings.train import train

            texts = {
                side: (
                    to.inputs[side] / "text",
                    segmentation.load(segmented_by, to.inputs["segmentation"], side),
                )
                for side in SIDES
            }
            if config.joint:
                record = train(
                    config, list(texts.values()), width, to.folder / "joint.vec", to.tick
                )
                return {"joint": record}
            return {
                side: train(config, [texts[side]], width, to.folder / f"{side}.vec", to.tick)
                for side in SIDES
            }

        inputs = {side: self.monolingual(side) for side in SIDES}
        return Step(
            "vectors",
            1,
            config.model_dump() | {"width": width, "segmentation": segmented_by.model_dump()},
            inputs | {"segmentation": self.segmentation(size, seed)},
            build,
        )

    def rows(self, name: str, size: Size, seed: int) -> Step:
        """Vectors on the rows of the dictionaries, and how much of the text they cover."""
        joint = self.experiment.vectors[name].joint
        languages = dict(zip(SIDES, self._languages(), strict=True))

        def build(to: Build) -> Json:
            from nmt_ablation.embeddings.place import coverage, place

            record = {}
            for side, language in languages.items():
                covered = place(
                    to.inputs["vectors"] / f"{'joint' if joint else side}.vec",
                    to.inputs["segmentation"] / f"dictionary.{side}.txt",
                    to.folder / f"{side}.npz",
                )
                segmented = to.inputs["binarise"] / "segmented"
                record[side] = {"rows": len(covered)} | {
                    split: coverage(covered, segmented / f"{split}.{language}")
                    for split in ("train", "test")
                }
            return record

        inputs = {
            "vectors": self.vectors(name, size, seed),
            "segmentation": self.segmentation(size, seed),
            "binarise": self.binarise(size, seed),
        }
        return Step("rows", 1, {"joint": joint, "languages": languages}, inputs, build)

    def train(self, cell: Cell) -> Step:
        """One model."""
        arm = self.experiment.arms[cell.arm]
        model, training = self.experiment.model, self.experiment.training
        bleu_tokenizer = self.experiment.scoring.bleu_tokenizer
        segmented_by = self.experiment.segmentation
        frozen = arm.sides if arm.tuning == "frozen" else ()
        inputs = {
            "binarise": self.binarise(cell.size, cell.seed),
            "segmentation": self.segmentation(cell.size, cell.seed),
        }
        if arm.vectors is not None:
            inputs["rows"] = self.rows(arm.vectors, cell.size, cell.seed)

        def build(to: Build) -> Json:
            from nmt_ablation import segmentation
            from nmt_ablation.training import launch

            arguments = launch.Arguments(
                data=to.inputs["binarise"] / "data-bin",
                source=self.experiment.source,
                target=self.experiment.target,
                rows={side: to.inputs["rows"] / f"{side}.npz" for side in arm.sides},
                frozen=frozen,
                model=model,
                training=training,
                seed=cell.seed,
                segmenter=segmentation.load(segmented_by, to.inputs["segmentation"], "target"),
                bleu_tokenizer=bleu_tokenizer,
            )
            return launch.train(arguments, to.folder, to.tick)

        parameters: dict[str, Json] = {
            "sides": arm.sides,
            "frozen": frozen,
            "model": model.model_dump(),
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
        segmented_by = self.experiment.segmentation

        def build(to: Build) -> Json:
            from nmt_ablation import decoding as decoder
            from nmt_ablation import segmentation

            source = to.inputs["hold-out"] / f"test.{self.experiment.source}"
            hypotheses = decoder.translate(
                [text.tidy(line) for line in text.stream_lines(source)],
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
        return [self.fetch(corpus) for corpus in corpora.parallel] + [
            self.fetch(corpus, side)
            for corpus in corpora.monolingual
            for side in SIDES
        ]

    def preparation(self) -> list[Step]:
        """All that cells share, so that what is wrong with it is said before any training."""
        cells = self.experiment.cells()
        samples = [self.sample(cell.size, cell.seed) for cell in reversed(cells)]
        shared = [self.train(cell).inputs.values() for cell in cells]
        steps = {step.digest: step for step in itertools.chain(samples, *shared)}
        return list(steps.values())

    def _languages(self, corpus: MonolingualCorpus | None = None) -> tuple[str, str]:
        """Source and target, as a corpus spells them."""
        pair = self.experiment.pair if corpus is None else corpus.pair or self.experiment.pair
        source, target = pair.split("-")
        return source, target

    def _held_out_files(self, config: HeldOutSet) -> tuple[Path, Path] | tuple[()]:
        if config.source is None or config.target is None:
            return ()
        paths = self.places.data / config.source, self.places.data / config.target
        for path in paths:
            if not path.is_file():
                raise UserError(
                    f"{path}: there is no such file, and {self.file.path} holds it out; pass "
                    "--data DIR or set NMT_ABLATION_DATA to the folder it stands in"
                )
        return paths
