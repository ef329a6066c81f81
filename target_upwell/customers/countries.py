"""Countries, from codes and names to ISO 3166-1 alpha-2.

The names are those of Unicode's CLDR, by way of Babel, and a few more that people
write. An invoice goes where this module says, so nothing is guessed: a text has to be
one country's name as a whole. "Atlanta, Georgia" and "Canada, USA" are not.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from typing import Any

MAX_NAME_CHARACTERS = 100
"""Longer text is not a country."""

LANGUAGES = (
    *("es", "fr", "pt", "de", "nl", "it", "pl", "cs", "sk", "hu", "ro"),
    *("sv", "da", "nb", "fi", "tr"),
)
"""Those of North American and European freight, beside English. A name by which two of
them call different countries is not taken."""

_NOT_ISO = frozenset(
    ("AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "ZZ")
)
"""CLDR's own codes, and those that ISO 3166 only reserves. Kosovo's XK is of the range
that ISO leaves to its users: Upwell decides."""

_ALIASES = {
    "AE": "UAE, Emirates",
    "BA": "Bosnia",
    "BQ": "Bonaire, Bonaire Saint Eustatius and Saba",
    "BO": "Plurinational State of Bolivia",
    "CD": "Democratic Republic of the Congo, DR Congo, DRC, DRC Congo",
    "CG": "Republic of the Congo, Congo Republic",
    "CH": "Swiss Confederation",
    "CI": "Ivory Coast",
    "CN": "People's Republic of China, PRC, PR China, Mainland China",
    "CZ": "Czech Republic, Ceska Republika, Tschechische Republik, Republica Checa",
    "DO": "Rep Dominicana",
    "FK": "Falkland Islands Malvinas",
    "FM": "Federated States of Micronesia, Fed Sts Micronesia",
    "FR": "French Republic",
    "GB": (
        "Great Britain, Britain, England, Scotland, Wales, GB UK, "
        "United Kingdom of Great Britain and Northern Ireland, Gran Bretaña, "
        "Grande-Bretagne, Großbritannien, Groot-Brittannië, Gran Bretagna, "
        "Grã-Bretanha, Inglaterra, Angleterre, Inghilterra, Engeland, Anglia"
    ),
    "GR": "Hellenic Republic",
    "HK": "Hong Kong",
    "IE": "Eire, Irish Republic",
    "IL": "State of Israel",
    "IT": "Italian Republic",
    "KG": "Kyrgyz Republic",
    "KP": "Democratic People's Republic of Korea, DPRK",
    "KR": "Republic of Korea, Korea Republic, ROK",
    "KW": "State of Kuwait",
    "LA": "Lao People's Democratic Republic, Lao PDR",
    "MK": "Macedonia, Former Yugoslav Republic of Macedonia",
    "MM": "Burma",
    "MO": "Macao, Macau, Macau SAR",
    "MX": "Mejico, Estados Unidos Mexicanos, United Mexican States",
    "NL": "Holland, Holanda, Hollande, Olanda, Nizozemí",
    "PS": "Palestine, State of Palestine, Occupied Palestinian Territory",
    "PT": "Portuguese Republic",
    "QA": "State of Qatar",
    "RU": "Russian Federation, Rossiya",
    "SH": "Saint Helena Ascension and Tristan da Cunha",
    "SK": "Slovak Republic, Slovenska Republika",
    "SX": "Sint Maarten Dutch part, Saint Martin Dutch part",
    "MF": "Saint Martin French part",
    "SY": "Syrian Arab Republic",
    "SZ": "Swaziland",
    "TL": "East Timor",
    "TR": "Turkey",
    "TW": "Republic of China, ROC, Taiwan Province of China, Taiwan ROC",
    "TZ": "United Republic of Tanzania",
    "UM": "US Minor Outlying Islands",
    "US": (
        "US of A, United States of America, Estados Unidos de América, EEUU, EUA, "
        "EU de América, Estados Unidos da América, États-Unis d'Amérique, "
        "Vereinigte Staaten von Amerika, Verenigde Staten van Amerika, "
        "Stati Uniti d'America, Stany Zjednoczone Ameryki, Spojené státy americké"
    ),
    "VA": "Holy See, Vatican, Vatican City State",
    "VG": "BVI",
    "VI": "USVI, Virgin Islands of the US",
}
"""What people write beside CLDR's names."""

_WORDS = re.compile(r"[^\W\d_]+")
_INITIALS = re.compile(r"\b([^\W\d_])\b\W*(?=[^\W\d_]\b)")
"""A single letter that another single letter follows, as in `U. S.`."""
_PARTS = re.compile(r"[,()/]")
_ABBREVIATIONS = {
    "dem": "democratic",
    "n": "north",
    "rep": "republic",
    "s": "south",
    "st": "saint",
    "uk": "unitedkingdom",
    "us": "unitedstates",
    **dict.fromkeys(("and", "of", "the"), ""),
}
_STATES = frozenset(
    ("commonwealth", "duchy", "kingdom", "principality", "republic", "sultanate")
)
_FORMS = _STATES.union(
    ("arab", "bolivarian", "democratic", "federal", "federative", "grand"),
    ("hashemite", "islamic", "oriental", "peoples", "socialist"),
)
"""What an official name adds, which tells a country from no other. `State` and `Union`
do not: "State of Georgia" and "Union, Georgia" are not in the Caucasus."""
_TOLD_APART_BY_FORM = frozenset({"CD", "CG", "CN", "KP", "KR", "TW"})
_LETTERS = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "\u0131": "i", "æ": "ae"})
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe"})


def country_code(name: str) -> str | None:
    """Return the alpha-2 code of a country, or None for what is not a country.

    Args:
        name: A code of two or three letters, or a name in one of `LANGUAGES`, in any
            case, with or without accents and punctuation.
    """
    return _code(name) if len(name) <= MAX_NAME_CHARACTERS else None


@lru_cache(maxsize=4096)
def _code(name: str) -> str | None:
    # A code is taken only as it stands: `N/A` is not Namibia.
    return _codes().get(name.strip().upper()) or _named(name) or _in_parts(name)


def _named(name: str) -> str | None:
    words = _words(name)
    code = _of_words("".join(words))
    if code is None and not _STATES.isdisjoint(words):
        # Without what many states call themselves: `Republic of Ireland`.
        code = _of_words("".join(word for word in words if word not in _FORMS))
        if code in _TOLD_APART_BY_FORM:
            return None
    return code


def _of_words(words: str) -> str | None:
    # The names in other languages take memory, and most sources need none of them.
    code = _aliases().get(words) or _names("en").get(words)
    return code or _names(*LANGUAGES).get(words)


def _in_parts(name: str) -> str | None:
    """Return the country of `Korea, Republic of`, or of `Germany (DE)`."""
    parts = [part.strip() for part in _PARTS.split(name) if part.strip()]
    if len(parts) != 2:  # noqa: PLR2004 - a name and what belongs to it
        return None
    first, second = parts
    turned = _named(f"{second} {first}")
    if turned:
        return turned
    codes = {_codes().get(part.upper()) or _named(part) for part in parts}
    return codes.pop() if len(codes) == 1 else None


@cache
def _codes() -> dict[str, str]:
    # Imported at the first address, not at the start of the program.
    from babel import Locale  # noqa: PLC0415
    from babel.core import get_global  # noqa: PLC0415

    territories: Any = Locale("en").territories
    known = {code for code in territories if code.isalpha() and code not in _NOT_ISO}
    aliases: Any = get_global("territory_aliases")
    codes: dict[str, str] = {code: code for code in known} | {"XKX": "XK"}
    for code, current in aliases.items():
        if code.isalpha() and len(code) == len("USA") and len(current) == 1:
            codes[code] = current[0]
    return {code: current for code, current in codes.items() if current in known}


@cache
def _aliases() -> dict[str, str]:
    """Return the codes by the words of the aliases, without spaces."""
    return {
        "".join(_words(alias)): code
        for code, aliases in _ALIASES.items()
        for alias in aliases.split(",")
    }


@cache
def _names(*languages: str) -> dict[str, str | None]:
    """Return the same for CLDR's names; None where two countries have one of them."""
    from babel import Locale  # noqa: PLC0415

    known = set(_codes().values())
    names: dict[str, str | None] = {}
    for language in languages:
        territories: Any = Locale(language).territories
        for code in known & territories.keys():
            name = territories[code]
            for written in (name, name.translate(_UMLAUTS)):
                words = "".join(_words(written))
                if names.setdefault(words, code) != code:
                    names[words] = None
    return names


def _words(name: str) -> list[str]:
    bare = re.sub("['\u2019]", "", name).casefold().translate(_LETTERS)
    decomposed = unicodedata.normalize("NFKD", bare)
    plain = "".join(c for c in decomposed if not unicodedata.combining(c))
    words = _WORDS.findall(_INITIALS.sub(r"\1", plain))
    return [word for word in (_ABBREVIATIONS.get(w, w) for w in words) if word]
