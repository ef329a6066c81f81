"""Countries, from codes and English names to ISO 3166-1 alpha-2.

The names and patterns are countryguess's. Its own guess is for a person who looks
at the result: it finds Canada in "Canada, USA" and Georgia in "Atlanta, Georgia".
An invoice goes where this module says, so here a text has to be one country's name
as a whole, word by word, and no other country's.
"""

from __future__ import annotations

import re
import unicodedata
import warnings
from functools import lru_cache
from typing import NamedTuple

MAX_NAME_CHARACTERS = 100
"""Longer text is no country, and some patterns take quadratic time."""

_WORDS = re.compile(r"[^\W\d_]+")
_INITIALS = re.compile(r"\b([^\W\d_])\b\W*(?=[^\W\d_]\b)")
"""A single letter that another single letter follows, as in `U. S.`."""
_ABBREVIATIONS = {
    "dem": "democratic",
    "n": "north",
    "rep": "republic",
    "s": "south",
    "st": "saint",
    "uk": "united kingdom",
    "us": "united states",
}
_NO_MEANING = {"and", "coast", "of", "province", "republic", "state", "states", "the"}
"""Words around a country's name that tell it from no other by themselves."""
_MATCHES_ANYTHING = re.compile(r"(\.|\\D|\\w)[*+]")


class _Country(NamedTuple):
    code: str
    pattern: re.Pattern[str]
    words: frozenset[str]


def country_code(name: str) -> str | None:
    """Return the alpha-2 code of a country, or None for what is no country.

    Args:
        name: A code of two or three letters, or an English name, in any case, with
            or without accents and punctuation.
    """
    return _code(name) if len(name) <= MAX_NAME_CHARACTERS else None


@lru_cache(maxsize=4096)
def _code(name: str) -> str | None:
    codes, names, countries = _known()
    plain = _plain(name)
    # A code is taken only as it stands: `N/A` is not Namibia.
    code = codes.get(plain.strip())
    if code is not None:
        return code
    spelled = _spelled_out(plain)
    code = names.get(spelled.replace(" ", ""))
    if code is not None:
        return code
    # The patterns know abbreviations such as `UK`, and other names.
    candidates = {spelled, _INITIALS.sub(r"\1", plain), name}
    matches = [
        country
        for country in countries
        if any(country.pattern.search(candidate) for candidate in candidates)
    ]
    if len(matches) == 1 and _is_whole(spelled, matches[0]):
        return matches[0].code
    return None


def _is_whole(spelled: str, country: _Country) -> bool:
    """Tell whether the words name this country and say nothing else."""
    pattern = country.pattern
    if pattern.fullmatch(spelled) and not _MATCHES_ANYTHING.search(pattern.pattern):
        return True
    return all(
        word in country.words or word in _NO_MEANING or pattern.fullmatch(word)
        for word in spelled.split()
    )


@lru_cache(maxsize=1)
def _known() -> tuple[dict[str, str], dict[str, str], tuple[_Country, ...]]:
    # Imported and read at the first address, not at the start of the program.
    from countryguess import CountryData  # noqa: PLC0415

    codes: dict[str, str] = {}
    names: dict[str, str] = {}
    countries = []
    with warnings.catch_warnings():
        # countryguess 0.4.9 leaves its data file to the garbage collector to close.
        warnings.simplefilter("ignore", ResourceWarning)
        rows = CountryData().countries
    for row in rows:
        code: str = row["iso2"]
        # Former countries and regions are listed too, some without a code. Kosovo's
        # XK is of the range that ISO 3166 leaves to its users: Upwell decides.
        if row["obsolete"] or not code:
            continue
        codes[code.casefold()] = codes[row["iso3"].casefold()] = code
        own = [
            _spelled_out(_plain(row[key])) for key in ("name_short", "name_official")
        ]
        # Without spaces: `Vietnam` is written `Viet Nam` too.
        names.update((name.replace(" ", ""), code) for name in own)
        words = {code.casefold(), row["iso3"].casefold(), *" ".join(own).split()}
        countries.append(_Country(code, row["regex"], frozenset(words)))
    return codes, names, tuple(countries)


def _plain(name: str) -> str:
    decomposed = unicodedata.normalize("NFKD", name)
    return "".join(c for c in decomposed if not unicodedata.combining(c)).casefold()


def _spelled_out(plain: str) -> str:
    words = _WORDS.findall(_INITIALS.sub(r"\1", plain))
    return " ".join(_ABBREVIATIONS.get(word, word) for word in words)
