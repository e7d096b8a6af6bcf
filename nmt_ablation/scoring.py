"""Score hypotheses against raw references with sacreBLEU; every number keeps its signature."""

from collections.abc import Sequence

import numpy as np
from sacrebleu.metrics.base import Metric
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.significance import PairedTest, Result
from sacrebleu.utils import SACREBLEU_DIR

from nmt_ablation.errors import UserError
from nmt_ablation.workspace import Json

RESAMPLES = 1000
"""Test sets of other sentences, as many as sacreBLEU's paired bootstrap takes."""


def check(bleu_tokenizer: str) -> None:
    """See that a tokenizer can be used, rather than learn that it can't when all is trained.

    Raises:
        UserError: it needs a package, or a file from the network, that isn't there.
    """
    try:
        BLEU(tokenize=bleu_tokenizer)
    except (RuntimeError, OSError) as error:
        cause = " ".join(str(error).split())
        remedy = ""
        if isinstance(error, OSError):
            remedy = (
                f"; use it once on a machine with network (sacrebleu -tok {bleu_tokenizer}), and "
                f"copy {SACREBLEU_DIR} here, or set SACREBLEU to where it is"
            )
        raise UserError(
            f"BLEU's tokenizer {bleu_tokenizer} can't be used: {cause}{remedy}"
        ) from None


def score(hypotheses: list[str], references: list[str], bleu_tokenizer: str) -> Json:
    """BLEU and chrF of a corpus, with signatures, and warnings if something looks broken.

    Raises:
        UserError: there are not as many hypotheses as references.
    """
    if len(hypotheses) != len(references):
        raise UserError(f"{len(hypotheses)} hypotheses for {len(references)} references")
    result: Json = {}
    for name, metric in (("bleu", BLEU(tokenize=bleu_tokenizer)), ("chrf", CHRF())):
        value = metric.corpus_score(hypotheses, [references])
        result[name] = value.score
        result[f"{name}_signature"] = metric.get_signature().format()
    empty = sum(not hypothesis.strip() for hypothesis in hypotheses)
    result["empty_hypotheses"] = empty
    result["warnings"] = []
    if empty:
        result["warnings"].append(f"{empty} of {len(hypotheses)} hypotheses are empty")
    if len(hypotheses) > 1 and len(set(hypotheses)) == 1:
        result["warnings"].append("all hypotheses are the same: the model has learnt nothing")
    elif result["bleu"] < 1:
        result["warnings"].append("BLEU is below 1: the model has learnt next to nothing")
    return result


def compare(
    baseline: list[str], arm: list[str], references: list[str], bleu_tokenizer: str
) -> Json:
    """p-values of the difference between two systems, by sacreBLEU's paired bootstrap (`p`; Koehn
    2004; 1,000 resamples) and approximate randomisation (`p_ar`; Riezler and Maxwell 2005; 10,000
    trials). They speak of other sentences, not of other seeds."""
    metrics: dict[str, Metric] = {
        "bleu": BLEU(tokenize=bleu_tokenizer, references=[references]),
        "chrf": CHRF(references=[references]),
    }
    systems: list[tuple[str, Sequence[str]]] = [("baseline", baseline), ("arm", arm)]
    compared: Json = {name: {} for name in metrics}
    for key, test in (("p", "bs"), ("p_ar", "ar")):
        signatures, scores = PairedTest(systems, metrics, references=None, test_type=test)()
        # sacreBLEU returns metrics in the order given, under names of its own (chrF2).
        _, *results = scores.values()
        for name, found, signature in zip(metrics, results, signatures.values(), strict=True):
            assert isinstance(found[1], Result)
            # sacreBLEU looks for resamples that differ by more than 0, and finds none.
            compared[name][key] = found[1].p_value if baseline != arm else 1.0
            compared[name][f"{key}_signature"] = signature.format()
    return compared


def resampled(
    systems: Sequence[list[str]], references: list[str], bleu_tokenizer: str
) -> dict[str, np.ndarray]:
    """Scores of systems on the test set, and on resamples of it with replacement (Koehn 2004).

    Returns:
        for `bleu` and `chrf`, systems x (1 + RESAMPLES); the first column is the test set as it
        is. The resamples are the same for all systems, so differences are paired.
    """
    draw = np.random.default_rng(12345)
    count = len(references)
    times = np.ones((1 + RESAMPLES, count))
    times[1:] = draw.multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
    metrics: dict[str, Metric] = {
        "bleu": BLEU(tokenize=bleu_tokenizer, references=[references]),
        "chrf": CHRF(references=[references]),
    }
    found = {}
    for name, metric in metrics.items():
        scores = []
        for hypotheses in systems:
            sums = np.array(metric._extract_corpus_statistics(hypotheses, None), dtype=float)
            totals = (times @ sums).astype(int).tolist()
            scores.append([metric._aggregate_and_compute([total]).score for total in totals])
        found[name] = np.array(scores)
    return found
