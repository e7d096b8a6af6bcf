"""Sentences of three languages, for tests that need real words."""

GERMAN = [
    "Der Mann sitzt am Fenster und liest eine alte Zeitung.",
    "Zwei Mädchen spielen im Garten hinter dem Haus Fußball.",
    "Morgen fährt der Zug nach München erst um halb neun.",
    "Die Frau hört Musik, während sie das Frühstück zubereitet.",
    "Im Winter liegt auf den Hügeln oft wochenlang Schnee.",
    "Niemand wusste, warum die Tür plötzlich offen stand.",
    "Kinder dürfen hier nur mit ihren Eltern schwimmen.",
    "Wir müssen uns beeilen, sonst schließt die Bäckerei.",
]
ENGLISH = [
    "The man sits at the window and reads an old newspaper.",
    "Two girls play football in the garden behind the house.",
    "Tomorrow the train to Munich leaves only at half past eight.",
    "The woman listens to music while she is making breakfast.",
    "In winter there is often snow on the hills for weeks.",
    "Nobody knew why the door suddenly stood wide open.",
    "Children may only swim here together with their parents.",
    "We have to hurry, or else the bakery will be closed.",
]
FRENCH = [
    "L'homme est assis près de la fenêtre et lit un vieux journal.",
    "Deux filles jouent au football dans le jardin derrière la maison.",
    "Demain, le train pour Orléans ne part qu'à huit heures et demie.",
    "La femme écoute de la musique pendant qu'elle prépare le déjeuner.",
    "En hiver, il y a souvent de la neige sur les collines.",
    "Personne ne savait pourquoi la porte était restée ouverte.",
    "Les enfants ne peuvent nager ici qu'avec leurs parents.",
    "Nous devons nous dépêcher, sinon la boulangerie sera fermée.",
]


def many(sentences: list[str], times: int = 10) -> list[str]:
    """Return sentences again and again, numbered so that no two are alike."""
    return [f"{it} {number}" for number in range(times) for it in sentences]
