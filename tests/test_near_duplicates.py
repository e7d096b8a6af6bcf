"""Near-duplicates, found by brute force and by the index alike."""

from hypothesis import given, settings
from hypothesis import strategies as st

from nmt_ablation.corpus.near_duplicates import GRAM, SHARE, NearDuplicates
from nmt_ablation.corpus.records import NearDuplicateCounts
from nmt_ablation.corpus.text import normal_form

WORDS = st.lists(st.sampled_from(["ab", "abc", "b", "Übermut", "中文字"]), max_size=6).map(" ".join)
LINES = st.lists(st.tuples(WORDS, WORDS), max_size=8)


def grams(line: str) -> set[str]:
    form = normal_form(line)
    return {form[at : at + GRAM] for at in range(max(1, len(form) - GRAM + 1))}


def alike(one: str, other: str) -> bool:
    a, b = grams(one), grams(other)
    return len(a & b) >= SHARE * len(a | b)


@settings(deadline=None)
@given(LINES, LINES)
def test_what_is_alike_is_what_shares_half_of_its_grams(
    held_out: list[tuple[str, str]], pairs: list[tuple[str, str]]
) -> None:
    sources, targets = ([pair[side] for pair in held_out] for side in (0, 1))
    alike_pairs = [
        [alike(pair[0], other[0]) or alike(pair[1], other[1]) for other in held_out]
        for pair in pairs
    ]
    assert NearDuplicates(sources, targets).count(pairs) == NearDuplicateCounts(
        pairs=sum(map(any, alike_pairs)),
        held_out=sum(map(any, zip(*alike_pairs, strict=True))),
        of=len(held_out),
    )


def test_one_word_changed_is_alike_and_another_sentence_is_not() -> None:
    held_out = NearDuplicates(["Ein Mann in blauem Hemd steht auf einer Leiter."], ["x"])
    near, far = "Ein Mann in grünem Hemd steht auf einer Leiter.", "Zwei Frauen spielen im Park."
    assert held_out.count([(near, "y")]).pairs == 1
    assert held_out.count([(far, "y")]).pairs == 0
