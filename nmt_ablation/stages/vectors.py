"""From samples to numbers: text in tokens, and vectors on the rows of their dictionaries."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal

from nmt_ablation.corpus import text
from nmt_ablation.errors import UserError
from nmt_ablation.experiment import (
    SIDES,
    Arm,
    EncoderVectors,
    FileVectors,
    Side,
    Size,
    TrainedVectors,
    Vectors,
)
from nmt_ablation.files import sha256
from nmt_ablation.stages.corpora import CorpusStages
from nmt_ablation.workspace import Build, Json, Step

if TYPE_CHECKING:
    from nmt_ablation.segmentation import Segmenter


class VectorStages(CorpusStages):
    """The steps of an experiment that make its data-bins and tables."""

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
            from nmt_ablation.pretrained.encoder import fetch

            return fetch(name, revision, to.folder, to.progress)

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
            from nmt_ablation.pretrained.compose import BareWords
            from nmt_ablation.pretrained.train import train

            texts = {
                side: (
                    self._text(side, to),
                    BareWords() if config.of == "words" else self._segmenter(side, to),
                )
                for side in SIDES
            }
            files = {side: to.folder / f"{side}.vec" for side in SIDES}
            if config.joint:
                record = train(config, list(texts.values()), width, files["source"], to.progress)
                files["target"].hardlink_to(files["source"])
                return {"joint": record}
            done, telling = dict.fromkeys(SIDES, 0.0), Lock()

            def train_side(side: Side) -> Json:
                def progress(epochs: float, whole: float) -> None:
                    with telling:
                        done[side] = epochs
                        to.progress(sum(done.values()), whole * len(SIDES))

                return train(config, [texts[side]], width, files[side], progress)

            # gensim lets other threads run. fastText and words of a large text take much memory.
            at_once = 2 if config.of == "tokens" and config.model == "word2vec" else 1
            with ThreadPoolExecutor(at_once) as both:
                return dict(zip(SIDES, both.map(train_side, SIDES), strict=True))

        inputs = self._texts(config.text, size, seed)
        if config.of == "tokens":
            inputs["segmentation"] = self.segmentation(size, seed)
        later = {"lines"} if config.lines is None else set[str]()  # leaves digests as they were
        parameters = config.model_dump(exclude={"align", "missing", *later}) | {
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
            from nmt_ablation.pretrained import compose, vec
            from nmt_ablation.pretrained.read import read

            record = {}
            for side in SIDES:
                if config.of == "words":
                    counts = compose.words(text.stream_lines(self._text(side, to)))
                    names = [word for word, _ in counts.most_common()]
                else:
                    names = self._dictionary(side, to)
                wanted = dict.fromkeys(it for name in names for it in compose.spellings(name))
                found = read(paths[side], list(wanted), to.progress)
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
        return Step("vectors", 3, parameters, inputs, build)

    def _encoder_vectors(self, size: Size, seed: int) -> Step:
        def build(to: Build) -> Json:
            from nmt_ablation.pretrained import vec
            from nmt_ablation.pretrained.encoder import table

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
            from nmt_ablation.pretrained import compose, lexicon

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
            from nmt_ablation.pretrained import vec
            from nmt_ablation.pretrained.align import Space, align

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
            "mean": config.missing == "mean",
        }
        from_files = isinstance(config, FileVectors)

        def build(to: Build) -> Json:
            from nmt_ablation.pretrained import compose, vec
            from nmt_ablation.pretrained.place import coverage, place
            from nmt_ablation.segmentation import dictionary_file

            record = {}
            for number, side in enumerate(SIDES):
                known = dict(zip(*vec.load(to.inputs["vectors"] / f"{side}.vec"), strict=True))
                tokens = self._dictionary(side, to)
                counts = Counter[str]()
                if of_words:
                    counts = compose.words(text.stream_lines(self._text(side, to)))
                if from_files:
                    known = compose.look_up(list(counts) if of_words else tokens, known)
                if of_words:
                    known = compose.compose(tokens, counts, self._segmenter(side, to), known)
                dictionary = dictionary_file(to.inputs["segmentation"], side)
                # Each side is shuffled its own way: tokens of both would stay together otherwise.
                shuffle = (seed, number) if arm.shuffled else None
                path = to.folder / f"{side}.npz"
                placed = place(known, dictionary, path, shuffle=shuffle, **placing)
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
        parameters = placing | {
            "shuffle": seed if arm.shuffled else None,
            "of_words": of_words,
            "from_files": from_files,
            "languages": self._languages(),
        }
        return Step("rows", 4, parameters, inputs, build)

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
        from nmt_ablation.segmentation import dictionary_file

        path = dictionary_file(to.inputs["segmentation"], side)
        return [line.rsplit(" ", 1)[0] for line in text.stream_lines(path)]
