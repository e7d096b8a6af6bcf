"""Language codes as OPUS spells them: one language under many codes, `zh`, `zh_cn`, `cmn`.

langcodes knows nearly all of them: ISO 639's two and three letters, dialects that stand for their
macrolanguage, regions, obsolete codes. A small table here holds the rest.
"""

import difflib
import re
from collections.abc import Iterable
from functools import cache

from langcodes import Language, standardize_tag
from langcodes.tag_parser import LanguageTagError

from nmt_ablation.errors import UserError

# Codes of OPUS that aren't the standard's, and two groups where the standard's aliases mislead:
# Serbo-Croatian is no spelling of Serbian, and `no` in OPUS is Bokmål nearly always.
_MEANT = {
    "jp": "ja",
    "zhs": "zh-Hans",
    "zht": "zh-Hant",
    "no": "nb",
    "no_nb": "nb",
    "sh": "hbs",
    "hbs": "hbs",
}

# Every code of OPUS in April 2023 that shares its language with another.
_SPELLINGS = """
ak aka tw am amh ar ara ar_SY ar_TN ay aym az az_IR be be_tarask bg bg_BG bh bho bam bm bn bn_bd
bn_IN bn_in bo bod bua bxr ca cat ca_valencia cbk cbk_zam crh crh_latn chv cv da da_DK de de_AT
de_CH de_DE dik din dtp kzj en en_AU en_CA en_ca en_GB en_gb en_NZ en_US en_ZA en_za es es_AR es_ar
es_CL es_cl es_CO es_CR es_DO es_EC es_ES es_GT es_HN es_MX es_mx es_NI es_PA es_PE es_PR es_SV
es_UY es_VE eu eu_ES fa pes fa_AF prs fa_IR ff fuc ful fil tl tl_PH fr fr_BE fr_CA fr_ca fr_FR fy
fy_nl ga ga_ie gu gu_in ha hau hai hdn hbs sh hi hi_IN hi_in hr scr hy hye hy_am ibo ig it it_IT
ike iu ja jp kg kon ki kik kau kr kmr ku kpv kv lin ln mg mlg plt ms zsm ms_MY nb no no_nb nb_NO
nb_no nds nds_nl ne npi ne_np nl nl_BE nl_NL nn nn_NO nn_no ny nya om orm pa pan pa_in pt pt_BR
pt_br pt_PT qu que quz rm rm_sursilv rm_vallader rn run mo ro rmy rom kin rw sn sna so som scc sr
srp sr_ME sot st sv sv_se sw swa swh ta ta_LK tg tg_TJ ti tir tr tr_TR ur ur_PK vi vi_VN wo wol xh
xho yo yor yue zh_yue cmn zh zh_CN zh_cn zh_HK zh_hk zhs zht zh_TW zh_tw zu zul diq zza
""".split()  # noqa: SIM905  (as a list, it would be 200 lines)


def split_pair(pair: str) -> tuple[str, str]:
    """Split a pair into its two codes.

    Raises:
        UserError: it is no pair.
    """
    if not re.fullmatch(r"\w+-\w+", pair, re.ASCII):
        raise UserError(
            f"'{pair}' is no pair of languages; write two codes and one hyphen, e.g. fa-zh "
            "(a region follows an underscore: fa-zh_cn)"
        )
    source, target = pair.split("-")
    return source, target


def spellings(code: str, among: Iterable[str] = _SPELLINGS) -> list[str]:
    """List all codes of a language, the given one first.

    A code with a region, a script or a variant (`pt_br`) stands for that alone, in upper or lower
    case.

    Args:
        code: any spelling of the language.
        among: the codes to choose from; by default, those that OPUS had in 2023.
    """
    language, exact = _identity(code)
    if exact != language:
        same = {other for other in among if _identity(other)[1] == exact}
    else:
        same = {other for other in among if _identity(other)[0] == language} | {language}
    return [code, *sorted(same - {code})]


def near(code: str, among: Iterable[str], number: int = 3) -> list[str]:
    """List codes that an unknown one may be a slip for, nearest first: its language without the
    region, or else codes spelled alike."""
    codes = set(among) - {code}
    if (language := _identity(code)[0]) in codes:
        return [language]
    # Of two letters, one has to be right: that is a ratio of a half.
    return difflib.get_close_matches(code, sorted(codes), n=number, cutoff=0.5)


def is_standard(code: str) -> bool:
    """Return whether a code stands for a language outside OPUS too; `zz` doesn't."""
    try:
        return Language.get(_MEANT.get(code.lower(), code)).is_valid()
    except LanguageTagError:
        return False


@cache
def _identity(code: str) -> tuple[str, str]:
    """Return the language of a code, and the language with region, script and variant."""
    tag = _MEANT.get(code.lower(), code)
    if tag == "hbs":
        return tag, tag
    try:
        exact = standardize_tag(tag, macro=True)
        found = Language.get(exact)
    except LanguageTagError:
        return code, code
    # Bilingual lines (`ze_zh`) and private codes (`v1`, `toki`) are nobody's spelling.
    if not found.is_valid() or found.language is None:
        return code, code
    return found.language, exact
