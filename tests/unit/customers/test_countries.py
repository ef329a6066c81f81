from target_upwell.customers.countries import country_code

ENGLISH = {
    "US": "US",
    "us": "US",
    "USA": "US",
    "U.S.": "US",
    "U. S. A.": "US",
    "United States": "US",
    "The United States of America": "US",
    "United States (US)": "US",
    "CAN": "CA",
    "canada": "CA",
    "MEX": "MX",
    "México": "MX",
    "MEXICO": "MX",
    "UK": "GB",
    "U.K.": "GB",
    "Great Britain": "GB",
    "England": "GB",
    "South Korea": "KR",
    "Korea, Republic of": "KR",
    "S. Korea": "KR",
    "North Korea": "KP",
    "Cote d'Ivoire": "CI",
    "CÔTE D\u2019IVOIRE": "CI",
    "Ivory Coast": "CI",
    "The Netherlands": "NL",
    "Netherlands, The": "NL",
    "Turkey": "TR",
    "Türkiye": "TR",
    "Viet Nam": "VN",
    "Vietnam": "VN",
    "Czech Republic": "CZ",
    "Russian Federation": "RU",
    "Iran, Islamic Republic of": "IR",
    "Bolivia (Plurinational State of)": "BO",
    "Congo, Dem. Rep.": "CD",
    "Congo": "CG",
    "Republic of Ireland": "IE",
    "St Kitts & Nevis": "KN",
    "Trinidad & Tobago": "TT",
    "Taiwan, Province of China": "TW",
    "P.R.C.": "CN",
    "U.A.E.": "AE",
    "Niger": "NE",
    "Nigeria": "NG",
    "Guinea-Bissau": "GW",
    "Dominica": "DM",
    "Dominican Republic": "DO",
    "Georgia": "GE",
    "Jersey": "JE",
}


def test_codes_and_english_names_are_translated():
    assert {name: country_code(name) for name in ENGLISH} == ENGLISH


TERRITORIES = {
    "Puerto Rico": "PR",
    "Guam": "GU",
    "U.S. Virgin Islands": "VI",
    "Virgin Islands, U.S.": "VI",
    "Hong Kong": "HK",
    "HK": "HK",
    "Åland Islands": "AX",
}


def test_territories_are_sent_though_upwell_may_refuse_them():
    assert {name: country_code(name) for name in TERRITORIES} == TERRITORIES


NO_COUNTRIES = [
    "",
    "?",
    "12",
    "ZZ",
    "EU",
    "SU",
    "N/A",
    "n.a.",
    "none",
    "unknown",
    "Freedonia",
    "Republic",
    "United States, Canada",
]


def test_what_is_no_country_has_no_code():
    assert [name for name in NO_COUNTRIES if country_code(name) is not None] == []


PARTS = [
    "Canada, USA",
    "Canada, US",
    "US, Georgia",
    "Somewhere in Germany",
    "Atlanta, Georgia",
    "Peru, Indiana",
    "Lebanon, TN",
    "Chad Smith",
    "Mexico City",
    "New Mexico",
    "New Jersey",
    "Indiana",
    "Northern Ireland",
]


def test_a_country_is_not_guessed_from_a_part_of_the_text():
    assert [name for name in PARTS if country_code(name) is not None] == []


FOREIGN = {
    "Estados Unidos": "US",
    "EE. UU.": "US",
    "EE.UU.": "US",
    "E.U.A.": "US",
    "États-Unis d\u2019Amérique": "US",
    "Vereinigte Staaten": "US",
    "Stany Zjednoczone": "US",
    "Canadá": "CA",
    "Kanada": "CA",
    "Alemania": "DE",
    "Deutschland": "DE",
    "Duitsland": "DE",
    "Niemcy": "DE",
    "Österreich": "AT",
    "OESTERREICH": "AT",
    "Pays-Bas": "NL",
    "Holland": "NL",
    "Holanda": "NL",
    "Italia": "IT",
    "W\u0142ochy": "IT",
    "Wlochy": "IT",
    "Gran Bretaña": "GB",
    "Großbritannien": "GB",
    "Royaume-Uni": "GB",
    "Brasil": "BR",
    "España": "ES",
    "Espagne": "ES",
    "Polska": "PL",
    "Suíça": "CH",
    "Svizzera": "CH",
    "República Dominicana": "DO",
    "Rep. Dominicana": "DO",
}


def test_names_in_the_main_languages_of_freight_are_translated():
    assert {name: country_code(name) for name in FOREIGN} == FOREIGN


OFFICIAL = {
    "Federal Republic of Germany": "DE",
    "Kingdom of Spain": "ES",
    "Republic of China": "TW",
    "Taiwan (Republic of China)": "TW",
    "People's Republic of China": "CN",
    "China, People\u2019s Republic of": "CN",
    "Democratic Republic of the Congo": "CD",
    "Democratic People's Republic of Korea": "KP",
}


def test_official_names_are_translated_where_they_tell_countries_apart():
    assert {name: country_code(name) for name in OFFICIAL} == OFFICIAL


TWO_PLACES = [
    "Korea",
    "Kongo",
    "Virgin Islands",
    "Democratic Congo",
    "State of Georgia",
    "Union, Georgia",
    "Georgia, USA",
    "Ontario, CA",
    "St. Martin, France",
]


def test_a_name_of_two_places_is_not_taken():
    assert [name for name in TWO_PLACES if country_code(name) is not None] == []


def test_long_text_is_not_a_country():
    assert country_code("united " * 1_000_000) is None
