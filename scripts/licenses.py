"""Lists the licenses of the packages in an image: python -m scripts.licenses [--expression]

It runs with the image's own interpreter and lists what is installed there, a package a line: name, version,
SPDX license; with --expression, all licenses as one SPDX expression. A package whose license is not known, or
not among those that an image may have, is an error.
"""

import re
import sys
from collections.abc import Iterable
from importlib.metadata import Distribution, distributions

ALLOWED = frozenset(
    {"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "MPL-2.0", "PSF-2.0"}
)
"""Licenses (SPDX) that an image may contain."""
READ = {
    "amqp": "BSD-3-Clause",
    "billiard": "BSD-3-Clause",
    "flower": "BSD-3-Clause",
    "python-dateutil": "Apache-2.0 OR BSD-3-Clause",
    "requests-oauthlib": "ISC",
    "vine": "BSD-3-Clause",
}
"""Packages whose metadata names no SPDX license: what the text that they ship is."""
CLASSIFIERS = {
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
}


def name_of(package: Distribution) -> str:
    """Return the package's normalized name."""
    return re.sub(r"[-_.]+", "-", str(package.metadata["Name"])).lower()


def license_of(package: Distribution) -> str:
    """Return the SPDX expression of a package; raise ValueError where it is not known or not allowed."""
    name, metadata = name_of(package), package.metadata
    declared = [*(metadata.get_all("License-Expression") or []), READ.get(name)]
    declared += metadata.get_all("License") or []
    declared += [CLASSIFIERS.get(line) for line in metadata.get_all("Classifier") or []]
    for expression in declared:
        if isinstance(expression, str) and identifiers(expression) <= ALLOWED:
            return expression
    raise ValueError(
        f"{name}: license {[text[:40] for text in declared if text]}; expected one of "
        f"{', '.join(sorted(ALLOWED))}: read its text and add it to scripts/licenses.py, or do without it"
    )


def identifiers(expression: str) -> set[str]:
    """Return the licenses that an SPDX expression names."""
    return set(re.split(r" AND | OR |[() ]+", expression)) - {""}


def conjunction(expressions: Iterable[str]) -> str:
    """Return one SPDX expression for all, without the choices that what is required anyway settles."""
    parts = {part for text in expressions for part in text.split(" AND ")}
    required = {part for part in parts if " OR " not in part}
    choices = {f"({part})" for part in parts - required if not identifiers(part) & required}
    return " AND ".join([*sorted(required), *sorted(choices)])


def main() -> int:
    """Return 0, or 1 after a line for each package whose license is not known."""
    lines, expressions, wrong = [], [], []
    for package in sorted(distributions(), key=name_of):
        try:
            expressions.append(license_of(package))
        except ValueError as error:
            wrong.append(str(error))
        else:
            lines.append(f"{name_of(package)} {package.version} {expressions[-1]}")
    print(*(wrong or ([conjunction(expressions)] if "--expression" in sys.argv else lines)), sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
