"""What a user installs is under permissive licences, as the package itself is."""

from __future__ import annotations

from importlib.metadata import distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PERMISSIVE = {"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "PSF-2.0"}
CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
ONLY_DATA = {"certifi": "MPL-2.0"}
"""Certificates, used as they are: it asks nothing of what stands beside them."""


def needed(name, found):
    """Names of all that a distribution needs at run time, and what that needs."""
    for line in distribution(name).requires or ():
        requirement = Requirement(line)
        own = canonicalize_name(requirement.name)
        for extra in {"", *requirement.extras}:
            wanted = requirement.marker is None or requirement.marker.evaluate(
                {"extra": extra}
            )
            if wanted and own not in found:
                found.add(own)
                needed(own, found)
    return found


def licence(name):
    """The licence of an installed distribution, as SPDX writes it if that is known."""
    metadata = distribution(name).metadata
    expression = metadata.get("License-Expression")
    if expression:
        return expression
    for classifier in metadata.get_all("Classifier", []):
        if classifier.startswith("License :: "):
            label = classifier.split(" :: ")[-1]
            return CLASSIFIERS.get(label, label)
    return metadata.get("License", "unknown")


def is_permissive(expression):
    return all(
        any(choice.strip("() ") in PERMISSIVE for choice in part.split(" OR "))
        for part in expression.split(" AND ")
    )


def test_every_dependency_at_run_time_is_permissively_licensed():
    names = needed("target-upwell", set())
    assert {"singer-sdk", "msgspec", "attrs"} <= names
    found = {name: licence(name) for name in sorted(names)}
    others = {name: text for name, text in found.items() if not is_permissive(text)}
    assert others.items() - ONLY_DATA.items() == set()


def test_the_check_would_see_a_copyleft_licence():
    assert not is_permissive("GPL-3.0-or-later")
    assert not is_permissive("MIT AND LGPL-2.1-only")
    assert is_permissive("MIT AND (Apache-2.0 OR GPL-2.0-only)")
