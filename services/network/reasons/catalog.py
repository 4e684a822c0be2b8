"""Every reason, and its explanation: the tables put together."""

from collections.abc import Mapping

from services.contract.outcomes import Reason
from services.network.reasons.asking import LEFT_ALONE, REFUSED
from services.network.reasons.dhcp import DHCP, FINDINGS
from services.network.reasons.explanation import Explanation
from services.network.reasons.probing import REACH, UNKNOWN

BY_REASON: Mapping[Reason, Explanation] = {**REACH, **UNKNOWN, **DHCP, **FINDINGS, **LEFT_ALONE, **REFUSED}
"""A test sees to it that none is missing."""
