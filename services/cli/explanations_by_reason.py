"""Every reason, and its explanation: the tables put together."""

from collections.abc import Mapping

from services.cli.explanations import Explanation
from services.cli.explanations_of_asking import LEFT_ALONE, REFUSED
from services.cli.explanations_of_dhcp import DHCP, FINDINGS
from services.cli.explanations_of_probing import REACH, UNKNOWN
from services.contract.outcomes import Reason

BY_REASON: Mapping[Reason, Explanation] = {**REACH, **UNKNOWN, **DHCP, **FINDINGS, **LEFT_ALONE, **REFUSED}
"""A test sees to it that none is missing."""
