"""A made-up language pair, xx-en, for a whole ablation without any download.

The target side is readable English. The source side has words of its own, verbs at the end, case
and number on nouns, adjectives after the noun that agree with its gender, and tense and number on
verbs. Lexemes follow Zipf's law (frequency ~ 1 / (rank + 2.7), after Mandelbrot 1953). Verbs and
adjectives choose the classes of nouns they go with, so that a word's company tells its kind. The
translation of each lexeme is left to chance: nothing here knows of embeddings, sizes or arms.
"""

import gzip
import io
import random
import zipfile
from bisect import bisect
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from nmt_ablation.errors import UserError

SOURCE, TARGET = "xx", "en"
CORPUS, VERSION = "Synthetic", "v1"
EPOCH = (2000, 1, 1, 0, 0, 0)  # archives carry times; with this one equal text is equal bytes

NOUNS = {
    "person": "farmer teacher doctor baker sailor painter singer judge miner soldier nurse tailor "
    "hunter writer dancer pilot guard clerk student lawyer monk cook driver builder",
    "kin": "mother father sister brother uncle aunt cousin daughter son grandmother nephew friend",
    "beast": "dog cat horse cow goat sheep wolf bear fox rabbit lion tiger camel donkey pig deer "
    "mouse elephant monkey otter",
    "bird": "eagle owl duck hen swan crow sparrow robin falcon parrot stork pigeon",
    "food": "bread cheese apple soup cake rice egg potato onion carrot pear sausage pie salad "
    "noodle bean melon cherry plum honey",
    "drink": "water milk wine beer tea coffee juice cider lemonade broth",
    "tool": "hammer saw axe knife shovel needle rope ladder broom bucket drill brush hook wrench "
    "chisel lantern",
    "vehicle": "cart boat train bus wagon ship bicycle truck plane sledge tram ferry",
    "garment": "shirt coat hat glove scarf boot sock belt dress cloak shoe apron",
    "building": "house barn church tower school mill castle hut bridge palace shop hospital "
    "station theatre prison",
    "place": "market river forest village mountain garden harbour valley island field city road "
    "lake desert beach meadow",
    "plant": "tree rose oak fern bush tulip vine pine willow nettle reed thistle",
    "paper": "letter book map poem newspaper ticket contract diary picture story song list",
    "furniture": "table chair bed shelf cupboard lamp mirror carpet clock stove bench drawer",
}
# verbs (base form, past if irregular), kinds of subjects, kinds of objects
VERBS = [
    ("eat/ate cook/cooked taste bake fry share peel", "person kin", "food"),
    ("devour smell chew steal/stole guard", "beast bird", "food"),
    ("drink/drank pour spill sip boil order", "person kin", "drink"),
    ("wear/wore wash mend fold iron sew/sewed lose/lost", "person kin", "garment"),
    ("drive/drove repair stop board push steer rent", "person", "vehicle"),
    ("build/built paint enter burn visit clean sell/sold", "person kin", "building"),
    ("read/read write/wrote copy hide/hid send/sent translate find/found", "person kin", "paper"),
    ("chase bite/bit fear follow attack watch", "beast bird", "beast bird"),
    ("feed/fed tame ride/rode train hunt shear comb", "person kin", "beast"),
    ("water plant prune cut/cut pick draw/drew", "person kin", "plant"),
    ("use sharpen drop borrow hold/held carry/carried clean", "person", "tool"),
    ("love know/knew meet/met help call thank greet marry/married", "person kin", "person kin"),
    ("move buy/bought polish break/broke scratch measure", "person kin", "furniture"),
    ("cross admire leave/left describe reach explore", "person kin beast", "place"),
]
ADJECTIVES = {
    "old young tall brave tired honest rich poor clever lazy kind angry": "person kin",
    "wild hungry tame fast fierce sleepy furry lame loud gentle": "beast bird",
    "fresh sweet sour salty ripe spicy bitter tasty rotten frozen": "food drink",
    "rusty sharp blunt heavy broken useful handy": "tool vehicle",
    "warm woollen torn elegant dirty tight striped": "garment",
    "ancient ruined huge empty famous narrow quiet": "building place",
    "green blooming withered thorny rare": "plant",
    "secret long boring funny printed lost": "paper",
    "wooden round soft antique dusty": "furniture",
    "red blue white black yellow brown": "garment vehicle building furniture plant bird",
    "small large new beautiful ugly strange": " ".join(NOUNS),
}
# Prefixes that make new nouns: riverhouse, irontable.
MODIFIERS = [
    *("river", "stone", "moon", "night", "iron", "salt", "winter", "summer", "silver", "storm"),
    *("copper", "sand", "cloud", "fire", "forest", "north", "south", "glass", "snow", "sea"),
]
ADVERBS = [
    *("yesterday", "often", "again", "slowly", "today"),
    *("secretly", "quickly", "early", "quietly", "late"),
]
PREPOSITIONS = {"in": "place building", "near": "place building furniture", "with": "kin tool"}
NUMBERS = {"two": 2, "three": 3, "four": 4, "seven": 7, "ten": 10}
PLURALS = {
    "sheep": "sheep", "deer": "deer", "mouse": "mice", "wolf": "wolves", "knife": "knives",
    "shelf": "shelves", "beach": "beaches", "thief": "thieves",
}  # fmt: skip
COMPOUNDS_PER_CLASS = 60
NAMES = 300

Sentence = tuple[str, str]


@dataclass(frozen=True)
class Lexeme:
    """A word in both languages."""

    source: str
    target: str
    past: str = ""
    """The past tense of an English verb."""
    gender: int = 0
    """The gender of a source noun: 0, 1 or 2."""


class Zipfian:
    """Lexemes to draw from; earlier ones are drawn more often."""

    def __init__(self, lexemes: list[Lexeme]) -> None:
        self.lexemes = lexemes
        self.sums = list(accumulate(1 / (rank + 2.7) for rank in range(1, len(lexemes) + 1)))

    def draw(self, random: random.Random) -> Lexeme:
        return self.lexemes[bisect(self.sums, random.random() * self.sums[-1])]


class Language:
    """The lexicon and grammar that a seed makes."""

    def __init__(self, seed: int) -> None:
        chance = random.Random(f"lexicon {seed}")
        self._used: set[str] = set()
        self.nouns = {kind: self._nouns(words.split(), chance) for kind, words in NOUNS.items()}
        self.names = Zipfian(self._names(chance))
        self.verbs = [
            (self._verbs(words.split(), chance), subjects.split(), objects.split())
            for words, subjects, objects in VERBS
        ]
        adjectives: dict[str, list[Lexeme]] = {kind: [] for kind in NOUNS}
        for words, kinds in ADJECTIVES.items():
            lexemes = [Lexeme(self._word(chance, 2), word) for word in words.split()]
            for kind in kinds.split():
                adjectives[kind] += lexemes
        self.adjectives = {
            kind: Zipfian(chance.sample(lexemes, len(lexemes)))
            for kind, lexemes in adjectives.items()
        }
        self.adverbs = Zipfian([Lexeme(self._word(chance, 2), word) for word in ADVERBS])
        self.prepositions = {word: self._word(chance, 1) for word in PREPOSITIONS}
        self.numbers = {word: self._word(chance, 1) for word in NUMBERS}
        self.the, self.will_not = self._word(chance, 1), self._word(chance, 1)

    def sentence(self, chance: random.Random) -> Sentence:
        """Invent a sentence in both languages: subject, verb, object, perhaps place and time."""
        verbs, subjects, objects = chance.choice(self.verbs)
        verb = verbs.draw(chance)
        subject, subject_en, plural = self._phrase(chance.choice(subjects), "", chance)
        object_, object_en, _ = self._phrase(chance.choice(objects), "m", chance)
        source, target = [subject, object_], [subject_en]
        tense = chance.random()
        if tense < 0.6:
            form, english = f"{verb.source}ta", verb.past
        elif tense < 0.85:
            form, english = f"{verb.source}lo", f"will {verb.target}"
        else:
            form, english = f"{self.will_not} {verb.source}lo", f"will not {verb.target}"
        target += [english, object_en]
        if chance.random() < 0.5:
            preposition = chance.choice(list(PREPOSITIONS))
            kind = chance.choice(PREPOSITIONS[preposition].split())
            phrase, phrase_en, _ = self._phrase(kind, "ri", chance)
            source.append(f"{phrase} {self.prepositions[preposition]}")
            target.append(f"{preposition} {phrase_en}")
        if chance.random() < 0.3:
            adverb = self.adverbs.draw(chance)
            source.insert(0, adverb.source)
            target.append(adverb.target)
        source.append(form + ("n" if plural else ""))
        return _written(source), _written(target)

    def _phrase(self, kind: str, case: str, chance: random.Random) -> tuple[str, str, bool]:
        """Invent a noun phrase in both languages, and return whether it is plural."""
        if kind in ("person", "kin") and chance.random() < 0.25:
            name = self.names.draw(chance)
            return name.source + case, name.target, False
        noun = self.nouns[kind].draw(chance)
        how_many = chance.choices((0, 1, 2), (5, 4, 1))[0]
        adjectives = [self.adjectives[kind].draw(chance) for _ in range(how_many)]
        plural = chance.random() < 0.35
        ending = ("ke" if plural and case else "k" if plural else "") + case
        source = [noun.source + ending]
        source += [adjective.source + "oae"[noun.gender] for adjective in adjectives]
        target = [adjective.target for adjective in adjectives]
        target.append(_plural(noun.target) if plural else noun.target)
        if plural and chance.random() < 0.4:
            number = chance.choice(list(NUMBERS))
            source.append(self.numbers[number])
            target.insert(0, number)
        elif chance.random() < 0.6:
            source.insert(0, self.the)
            target.insert(0, "the")
        elif not plural:
            target.insert(0, "an" if target[0][0] in "aeiou" else "a")
        return " ".join(source), " ".join(target), plural

    def _nouns(self, words: list[str], chance: random.Random) -> Zipfian:
        def lexemes(english: list[str], syllables: int) -> list[Lexeme]:
            return [
                Lexeme(self._word(chance, syllables), word, gender=chance.randrange(3))
                for word in english
            ]

        compounds = [modifier + word for modifier in MODIFIERS for word in words]
        simple = lexemes(words, 2)
        rare = lexemes(chance.sample(compounds, COMPOUNDS_PER_CLASS), 3)
        return Zipfian(simple + rare)

    def _verbs(self, words: list[str], chance: random.Random) -> Zipfian:
        lexemes = []
        for word in words:
            base, _, past = word.partition("/")
            past = past or base + ("d" if base.endswith("e") else "ed")
            lexemes.append(Lexeme(self._word(chance, 2), base, past=past))
        return Zipfian(lexemes)

    def _names(self, chance: random.Random) -> list[Lexeme]:
        names = [self._word(chance, 2).capitalize() for _ in range(NAMES)]
        return [Lexeme(name, name) for name in names]

    def _word(self, chance: random.Random, syllables: int) -> str:
        """Invent a new word of the source language."""
        while True:
            word = "".join(
                chance.choice(("", *"bdfghjklmnprstvz", "sk", "tr", "pl"))
                + chance.choice(("a", "e", "i", "o", "u", "ai", "ö"))
                for _ in range(syllables)
            ) + chance.choice(("", "n", "r", "s", "l"))
            if len(word) > 1 and word not in self._used:
                self._used.add(word)
                return word


def write_mirror(folder: Path, pairs: int, lines: int, seed: int) -> None:
    """Write sentence pairs, and `lines` of other text in each language, in OPUS's layout.

    Raises:
        UserError: the folder holds such a corpus already, made with other numbers.
    """
    language = Language(seed)
    root = folder / f"OPUS-{CORPUS}" / VERSION
    stamp = f"pairs {pairs}, lines {lines}, seed {seed}\n"
    readme = root / "README"
    if readme.exists():
        if readme.read_text() != stamp:
            raise UserError(
                f"{root}: holds other text ({readme.read_text().strip()}); "
                "a version of a corpus never changes, so choose another folder"
            )
        return
    archive = root / "moses" / f"{TARGET}-{SOURCE}.txt.zip"
    archive.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive, "w") as file:
        for code, side in ((SOURCE, 0), (TARGET, 1)):
            # The same sentences again for the other side, so that they needn't be in memory.
            chance = random.Random(f"parallel {seed}")
            info = zipfile.ZipInfo(f"{CORPUS}.{TARGET}-{SOURCE}.{code}", EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            with (
                file.open(info, "w", force_zip64=True) as member,
                io.TextIOWrapper(member, encoding="utf-8", newline="\n") as text,
            ):
                text.writelines(language.sentence(chance)[side] + "\n" for _ in range(pairs))
        file.writestr(zipfile.ZipInfo("README", EPOCH), stamp)
    for code, side in ((SOURCE, 0), (TARGET, 1)):
        chance = random.Random(f"monolingual {code} {seed}")
        path = root / "mono" / f"{code}.txt.gz"
        path.parent.mkdir(exist_ok=True)
        with (
            path.open("wb") as raw,
            gzip.GzipFile(fileobj=raw, mode="wb", filename="", mtime=0) as packed,
            io.TextIOWrapper(packed, encoding="utf-8", newline="\n") as text,
        ):
            text.writelines(language.sentence(chance)[side] + "\n" for _ in range(lines))
    readme.write_text(stamp)


def _written(words: list[str]) -> str:
    text = " ".join(words)
    return text[0].upper() + text[1:] + "."


def _plural(noun: str) -> str:
    for singular, plural in PLURALS.items():
        if noun.endswith(singular):
            return noun.removesuffix(singular) + plural
    if noun.endswith(("s", "x", "ch", "sh", "o")):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"
