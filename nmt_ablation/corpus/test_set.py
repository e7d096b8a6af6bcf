"""Test sets that sacreBLEU knows by name."""

from pathlib import Path

from sacrebleu.dataset import DATASETS
from sacrebleu.utils import SACREBLEU_DIR, get_available_testsets_for_langpair, get_files

from nmt_ablation.corpus.text import Pair, read_pair_of_files
from nmt_ablation.errors import UserError


def check_name(name: str, pair: str) -> None:
    """Check that there is a test set for a pair, without downloading it.

    Raises:
        UserError: there is none; the message lists those that there are.
    """
    known = get_available_testsets_for_langpair(pair)  # in either direction
    if name not in known:
        raise UserError(
            f"sacreBLEU has no test set '{name}' for {pair}; it has {', '.join(known) or 'none'}"
        )


def named(name: str, pair: str) -> list[Pair]:
    """Return source and first reference of each sentence of a test set, downloading it if needed.

    Raises:
        UserError: there is no such set for the pair, or it can't be had.
    """
    check_name(name, pair)
    turned = pair not in DATASETS[name].langpairs
    if turned:
        pair = "-".join(reversed(pair.split("-")))
    try:
        source, reference, *_ = get_files(name, pair)
    except (OSError, SystemExit) as error:
        cause = "it was damaged on the way" if isinstance(error, SystemExit) else error
        raise UserError(
            f"test set {name} of {pair} can't be fetched ({cause}); on a machine with network: "
            f"sacrebleu -t {name} -l {pair} --echo src; then copy {SACREBLEU_DIR} here, or set "
            "SACREBLEU to its folder"
        ) from None
    pairs = read_pair_of_files(Path(source), Path(reference))
    return [(target, source) for source, target in pairs] if turned else pairs
