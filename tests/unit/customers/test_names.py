import pytest

from target_upwell.customers.names import folded


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
