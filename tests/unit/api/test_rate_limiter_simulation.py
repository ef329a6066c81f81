"""How well limits are used, simulated: no test here takes real time or sends anything.

The server answers after 20 ms. The figures are those that `make bench` measures.
"""

from __future__ import annotations

from itertools import product

import pytest
from limited_servers import (
    LATENCY,
    AtOnce,
    FixedWindow,
    Outage,
    Server,
    Shaky,
    SlidingWindow,
    TokenBucket,
    load,
)
from share import share
from shown import show

SEEDS = range(share(full=5, part=2))


def shown(name, values, form="{:.0%}"):
    """Print the values by seed, and return them."""
    values = list(values)
    show(f"{name}: {', '.join(form.format(value) for value in values)} (seeds 0...)")
    return values


@pytest.mark.parametrize("after", ["none", "seconds"])
@pytest.mark.parametrize(
    ("at_once", "a_second"),
    [*product([4, 8], [5, 15, 50]), (1, 5), (1, 15)],
)
@pytest.mark.parametrize("kind", [SlidingWindow, FixedWindow, TokenBucket])
def test_a_limit_by_the_second_is_used_with_few_refusals(
    kind, a_second, after, at_once
):
    loads = [
        load(kind(a_second, after), at_once, seconds=60, seed=seed) for seed in SEEDS
    ]
    used = shown(f"{kind.__name__} {a_second}", (one.a_second for one in loads), "{}")
    assert min(used) >= 0.85 * a_second
    assert max(one.share_refused for one in loads) < 0.1


def test_a_limit_by_the_second_that_names_dates_is_used():
    for a_second in (5, 15, 50):
        server = SlidingWindow(a_second, "date")
        assert load(server, 8, seconds=60).a_second >= 0.85 * a_second


@pytest.mark.parametrize("after", ["none", "seconds"])
@pytest.mark.parametrize("limit", [(60, 60), (1000, 60), (100, 10), (1, 2)])
def test_a_limit_by_a_longer_time_is_used_and_no_request_is_refused_for_good(
    limit, after
):
    number, per = limit
    one = load(SlidingWindow(number, after, per), 8, seconds=300)
    show(f"{one.a_second * per / number:.0%}, {one.most_refusals_of_one} refusals")
    assert one.a_second >= 0.85 * number / per
    assert one.most_refusals_of_one <= 8


@pytest.mark.parametrize("after", [None, 0, 1, 2])
@pytest.mark.parametrize("at_once", [4, 16])
def test_a_burst_of_refusals_of_two_seconds_costs_at_most_four(at_once, after):
    requests = int(5 * at_once / LATENCY)
    undisturbed = load(Server(), at_once, requests=requests).seconds
    costs = shown(
        "seconds",
        (
            load(Outage(2, 4, after), at_once, requests=requests, seed=seed).seconds
            - undisturbed
            for seed in SEEDS
        ),
        "{:.1f}",
    )
    assert max(costs) <= 4


@pytest.mark.parametrize("after", [None, 0, 1])
@pytest.mark.parametrize("idle", [0, 2, 3600])
def test_a_burst_at_the_first_request_costs_no_more_however_late_that_comes(
    idle, after
):
    for seed in SEEDS:
        server = Outage(0, 2, after)
        server.idle = idle
        one = load(server, 16, requests=4000, seed=seed)
        assert one.seconds - 4000 * LATENCY / 16 <= 4


@pytest.mark.parametrize("at_once", [4, 16])
def test_refusals_for_no_reason_cost_no_more_where_the_source_was_slow(at_once):
    for seed in SEEDS:
        at_first = load(Shaky(0.02, seed), at_once, requests=300, seed=seed)
        late = Shaky(0.02, seed)
        late.idle = 3600
        assert load(late, at_once, requests=300, seed=seed) == at_first


@pytest.mark.parametrize("at_once", [4, 16])
def test_without_refusals_as_many_requests_are_under_way_as_allowed(at_once):
    one = load(Server(), at_once, requests=1000)
    assert one.seconds <= 1.02 * 1000 * LATENCY / at_once
    assert one.most_in_flight == at_once


@pytest.mark.parametrize("after", [None, 0, 1])
@pytest.mark.parametrize("at_once", [9, 16, 32])
def test_a_limit_of_eight_requests_at_once_is_used(at_once, after):
    used = shown(
        "used",
        (
            load(AtOnce(8, after), at_once, seconds=60, seed=seed).a_second
            * (LATENCY / 8)
            for seed in SEEDS
        ),
    )
    assert min(used) >= 0.85


@pytest.mark.parametrize("after", [None, 0, 1])
@pytest.mark.parametrize("at_once", [1, 4, 8, 16])
def test_one_refusal_in_a_hundred_for_no_reason_costs_less_than_a_quarter(
    at_once, after
):
    used = shown(
        "used",
        (
            load(Shaky(0.01, seed, after), at_once, seconds=30, seed=seed).a_second
            * (LATENCY / at_once)
            for seed in SEEDS
        ),
    )
    assert min(used) >= 0.75


@pytest.mark.parametrize("at_once", [4, 8, 16])
def test_one_refusal_in_twenty_over_a_long_time_leaves_a_fifth_of_the_pace(at_once):
    used = shown(
        "used",
        (
            load(Shaky(0.05, seed, 0), at_once, requests=5000, seed=seed).a_second
            * (LATENCY / at_once)
            for seed in SEEDS
        ),
    )
    assert min(used) >= 0.2


@pytest.mark.parametrize("at_once", [4, 8, 16])
def test_one_refusal_in_twenty_for_no_reason_delays_some_hundred_requests_by_seconds(
    at_once,
):
    took = shown(
        "seconds",
        (
            load(Shaky(0.05, seed, 0), at_once, requests=300, seed=seed).seconds
            for seed in SEEDS
        ),
        "{:.1f}",
    )
    assert max(took) <= 10
