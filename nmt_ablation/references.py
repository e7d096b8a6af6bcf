"""References to cite for an experiment's corpora and software, and licences."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from nmt_ablation.beside import folder
from nmt_ablation.errors import UserError
from nmt_ablation.experiment import Experiment
from nmt_ablation.opus.catalogue import known
from nmt_ablation.segmentation import SEGMENTERS

FILE = folder("corpora") / "references.bib"

OPUS = ("tiedemann-2012",)
ALWAYS = ("nmt-ablation", "vaswani-2017", "ott-2019", "koehn-2004")
"""Keys of this program, the model, the toolkit, and resampling the test set."""
FEATURES = ("peters-2018",)
FUSED = ("zhu-2020",)
BACK_TRANSLATION = ("sennrich-2016-monolingual", "caswell-2019")


def entries(path: Path = FILE) -> dict[str, str]:
    """Read the entries of a BibTeX file, by key.

    Raises:
        UserError: there is no such file, or a key stands in it twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file; run this from a full checkout") from None
    text = re.sub(r"^%.*\n", "", text, flags=re.MULTILINE)
    found: dict[str, str] = {}
    for entry in re.split(r"^(?=@)", text, flags=re.MULTILINE)[1:]:
        key = entry.partition("{")[2].partition(",")[0].strip()
        if key in found:
            raise UserError(f"{path}: {key} stands there twice; remove one")
        found[key] = entry.strip()
    return found


def corpora(experiment: Experiment) -> list[str]:
    """List the OPUS corpora of an experiment, in its order."""
    return list(dict.fromkeys(it.name for it in experiment.corpora.of_opus()))


def keys(experiment: Experiment) -> list[str]:
    """List the keys that an experiment should cite: those of its corpora first, then of
    software."""
    cited = [key for name in corpora(experiment) for key in known(name).cite]
    cited += OPUS if corpora(experiment) else ()
    cited += [*ALWAYS, *experiment.scoring.cites]
    cited += SEGMENTERS[experiment.segmentation.type].cites
    cited += [key for thing in experiment.pretrained.values() for key in thing.cites()]
    for arm in experiment.arms.values():
        for name, auxiliary in arm.auxiliary.items():
            cited += auxiliary.named(name)[1].cites()
        cited += FEATURES if arm.features else ()
        cited += FUSED if any(it.enters == "fused" for it in arm.features.values()) else ()
        cited += BACK_TRANSLATION if arm.back_translation else ()
    return list(dict.fromkeys(cited))


def licences(experiment: Experiment) -> dict[str, str]:
    """Return the licence of each corpus, or the page that states it."""
    return {name: known(name).licence or f"see {known(name).page}" for name in corpora(experiment)}


def as_bibtex(experiment: Experiment, there: Mapping[str, str]) -> str:
    """Return the BibTeX entries that an experiment should cite, under a comment with the licences.

    Raises:
        UserError: an entry is not there.
    """
    comments = [f"% {name}: {what}\n" for name, what in licences(experiment).items()]
    return "".join(comments) + "\n" + "\n\n".join(_chosen(experiment, there)) + "\n"


def as_text(experiment: Experiment, there: Mapping[str, str]) -> str:
    """Return the licences, then a line for each reference.

    Raises:
        UserError: an entry is not there.
    """
    lines = [f"{name}: {what}" for name, what in licences(experiment).items()]
    return "\n".join([*lines, "", *map(_line, _chosen(experiment, there))]) + "\n"


def _chosen(experiment: Experiment, there: Mapping[str, str]) -> Iterator[str]:
    for key in keys(experiment):
        if key not in there:
            raise UserError(f"{FILE}: has no entry {key}; add it")
        yield there[key]


def _line(entry: str) -> str:
    """Write a BibTeX entry as one line of plain text."""
    pairs = re.findall(r"^\s*(\w+)\s*=\s*[{\"](.*?)[}\"],?\s*$", entry, re.MULTILINE | re.DOTALL)
    fields = {name.lower(): " ".join(re.sub("[{}]", "", value).split()) for name, value in pairs}
    where = fields.get("booktitle") or fields.get("journal") or fields.get("howpublished")
    author = fields.get("author", "").replace(" and ", "; ")
    parts = (author, fields.get("year"), fields.get("title"), where)
    line = ". ".join(part.rstrip(".") for part in parts if part)
    return f"{line}. {fields.get('url', '')}".strip()
