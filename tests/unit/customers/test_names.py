import pytest

from target_upwell.customers.names import folded, nearest


@pytest.mark.parametrize(
    "name",
    [
        "emailAddress",
        "email_address",
        "EMAIL ADDRESS",
        "Email-Address",
        "e.mailADDRESS",
    ],
)
def test_case_and_punctuation_do_not_tell_names_apart(name):
    assert folded(name) == "emailaddress"


def test_digits_tell_names_apart():
    assert folded("street_line_1") != folded("street_line_2")


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("emailAdress", ["emailAddress"]),
        ("EMAIL_ADDRES", ["emailAddress"]),
        ("email", ["emailAddress", "ccEmailAddresses"]),
        ("terms", []),
        ("x", []),
    ],
)
def test_the_nearest_names_are_those_that_somebody_may_have_meant(name, near):
    known = ["name", "ccEmailAddresses", "emailAddress", "metadata"]
    assert sorted(nearest(name, known)) == sorted(near)
