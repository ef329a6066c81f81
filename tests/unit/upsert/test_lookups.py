"""Searching by source key: what a cap hides, and when to leave the search out."""

from __future__ import annotations

import pytest

from target_upwell.customers.schema import CUSTOMERS
from target_upwell.exceptions import Refusal, Refused, RunError, TooLarge
from target_upwell.upsert.lookups import Lookups, NewcomerGuess


def customer(key):
    return {"id": f"cus_{key[1]}", "sourceSystem": key[0], "sourceSystemId": key[1]}


def keys(*ids, system="S"):
    return [(system, str(source_id)) for source_id in ids]


class Account:
    """Customers behind a search that may be capped, or refuse to be asked for many."""

    def __init__(self, *customers, cap=None, most_keys=None):
        self.customers = list(customers)
        self.cap = cap
        self.most_keys = most_keys
        self.asked = []

    def search(self, _resource, system, ids):
        self.asked.append(len(ids))
        if self.most_keys is not None and len(ids) > self.most_keys:
            raise TooLarge
        wanted = set(ids)
        found = [k for k in self.customers if k[0] == system and k[1] in wanted]
        return [customer(key) for key in found[: self.cap]]


class Broken:
    def __init__(self, *answers):
        self.answers = list(answers)

    def search(self, _resource, _system, _ids):
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_one_search_finds_a_page_of_customers():
    account = Account(*keys(*range(5)))
    found = Lookups(account, CUSTOMERS, 200).find(keys(3, 4, 5))
    assert set(found) == set(keys(3, 4))
    assert found["S", "3"]["id"] == "cus_3"
    assert account.asked == [3]


def test_more_keys_than_a_page_take_more_searches():
    account = Account(*keys(*range(25)))
    assert len(Lookups(account, CUSTOMERS, 10).find(keys(*range(25)))) == 25
    assert account.asked == [10, 10, 5]


def test_each_source_system_is_searched_on_its_own():
    account = Account(*keys(1, system="S"), *keys(1, system="T"))
    asked = keys(1, system="S") + keys(1, 2, system="T")
    assert set(Lookups(account, CUSTOMERS, 200).find(asked)) == {("S", "1"), ("T", "1")}
    assert account.asked == [1, 2]


def test_nothing_asked_is_no_search():
    account = Account()
    assert Lookups(account, CUSTOMERS, 200).find([]) == {}
    assert Lookups(account, CUSTOMERS, 200).find_hidden([]) == {}
    assert account.asked == []


def test_customers_that_nobody_asked_for_are_no_finding():
    stranger = customer(("S", "9"))
    assert Lookups(Broken([stranger]), CUSTOMERS, 200).find(keys(1)) == {}


def test_a_search_that_ignores_what_it_is_asked_does_not_go_on_for_ever():
    class Careless:
        searches = 0

        def search(self, _resource, _system, _ids):
            self.searches += 1
            assert self.searches < 100
            return [customer(("S", str(1000 + n))) for n in range(10)]

    assert Lookups(Careless(), CUSTOMERS, 200).find_hidden(keys(*range(50))) == {}


# Size


def test_a_search_that_is_too_large_is_halved_and_later_ones_are_smaller():
    account = Account(*keys(*range(20)), most_keys=5)
    lookups = Lookups(account, CUSTOMERS, 20)
    assert len(lookups.find(keys(*range(20)))) == 20
    account.asked.clear()
    assert len(lookups.find(keys(*range(20)))) == 20
    assert account.asked == [5, 5, 5, 5]


def test_a_search_for_one_that_is_too_large_ends_the_run_in_words():
    lookups = Lookups(Account(most_keys=0), CUSTOMERS, 20)
    with pytest.raises(RunError, match=r"customers/search.*too large"):
        lookups.find(keys(1, 2, 3))


def test_a_search_that_is_refused_ends_the_run_in_words():
    refusal = Refused(Refusal(400, "validation-failed", "no such field"))
    with pytest.raises(RunError, match=r"customers/search.*no such field \(400"):
        Lookups(Broken(refusal), CUSTOMERS, 20).find(keys(1))


# Caps


@pytest.mark.parametrize("cap", [1, 3, 9, 10, 11, 50, 199, 200, None])
@pytest.mark.parametrize("present", [1, 10, 73, 200])
def test_a_full_search_finds_everybody_under_any_cap(cap, present):
    account = Account(*keys(*range(present)), cap=cap)
    lookups = Lookups(account, CUSTOMERS, 200)
    found = lookups.find(keys(*range(200)))
    rest = [key for key in keys(*range(200)) if key not in found]
    found |= lookups.find_hidden(rest)
    assert set(found) == set(keys(*range(present)))


def test_a_full_search_asks_for_no_more_at_once_than_was_ever_given():
    account = Account(*keys(*range(100)), cap=20)
    lookups = Lookups(account, CUSTOMERS, 200)
    lookups.find(keys(*range(100)))
    account.asked.clear()
    found = lookups.find_hidden(keys(*range(20, 100)))
    assert len(found) == 80
    assert len(account.asked) <= 12


def test_what_a_full_search_learns_of_the_cap_holds_for_later_searches():
    account = Account(*keys(*range(100)), cap=20)
    lookups = Lookups(account, CUSTOMERS, 200)
    lookups.find(keys(*range(100)))
    lookups.find_hidden(keys(*range(20, 100)))
    account.asked.clear()
    assert len(lookups.find(keys(*range(100)))) == 100
    assert account.asked == [20] * 5


def test_few_findings_teach_no_cap():
    account = Account(*keys(1, 2))
    lookups = Lookups(account, CUSTOMERS, 200)
    lookups.find(keys(*range(200)))
    lookups.find_hidden(keys(*range(3, 200)))
    account.asked.clear()
    lookups.find(keys(*range(200)))
    assert account.asked == [200]


def test_a_full_search_in_which_nobody_exists_costs_little():
    account = Account()
    assert Lookups(account, CUSTOMERS, 200).find_hidden(keys(*range(200))) == {}
    assert account.asked == [200]


# The guess


def learn(guess, *batches):
    for all_new in batches:
        guess.learn(all_new=all_new, guessed=guess.all_new)


def test_nothing_is_guessed_before_a_batch_was_all_new():
    guess = NewcomerGuess()
    assert not guess.all_new
    learn(guess, True)
    assert guess.all_new
    learn(guess, True, True)
    assert guess.all_new


def test_a_batch_with_an_existing_customer_ends_the_guessing():
    guess = NewcomerGuess()
    learn(guess, True, False)
    assert not guess.all_new


def test_each_wrong_guess_doubles_what_it_takes_to_guess_again():
    guess = NewcomerGuess()
    taken = []
    for _ in range(4):
        batches = 0
        while not guess.all_new:
            learn(guess, True)
            batches += 1
        taken.append(batches)
        learn(guess, False)
    assert taken == [1, 2, 4, 8]


def test_an_existing_customer_found_by_a_lookup_costs_no_trust():
    guess = NewcomerGuess()
    learn(guess, False, False, False, True)
    assert guess.all_new
