"""Whether a word is better or worse than what stands."""

from services.contract.outcomes import Reason, State
from services.network.parse.intent import Intent
from tests.reference.words import NOT_HEARD, Word

SILENT = (State.UNREACHABLE, State.DHCP_FAILED)
ANSWERING = (State.PARTIAL, State.ISOLATED, State.OFF_VLAN)
ACCUSE_NOBODY = (NOT_HEARD, Reason.INCONCLUSIVE, Reason.ARP_NEEDS_ADDRESS)


def is_better(word: Word, standing: Word | None, intent: Intent) -> bool:
    """Whether it is told at once."""
    answers = word.state is State.ACTIVE or word.state in ANSWERING
    if names_another(word, standing, intent):
        return False
    if word.state is State.OFF_VLAN and (
        standing is None or standing.state not in (State.OFF_VLAN, State.UNREACHABLE)
    ):
        # It accuses every host.
        return False
    if standing is None:
        is_first = bool(word.gateway) and intent.known_gateway is None
        return word.state is State.ACTIVE or (is_first and answers)
    if word.state is State.ACTIVE and standing.state is not State.ACTIVE:
        return True
    if word.connectivity == "true" and standing.connectivity != "true":
        return True
    if standing.state in SILENT and word.state in ANSWERING:
        return True
    is_known = bool(word.gateway) and intent.known_gateway is not None
    return answers and is_known and word.cidr != str(intent.known_cidr)


def is_worse(word: Word, standing: Word | None) -> bool:
    """Whether it says another state, or accuses a host that was not accused."""
    if standing is None:
        return True
    accused = {
        host
        for host, why in word.hosts.items()
        if why != standing.hosts.get(host) and why not in ACCUSE_NOBODY
    }
    same = (word.state, word.connectivity) == (standing.state, standing.connectivity)
    return bool(accused) or not same


def names_another(word: Word, standing: Word | None, intent: Intent) -> bool:
    """Whether another gateway takes the place of the known one, which other hosts may still reach.

    Where the annotation has lost it, it is the one that was checked last.
    """
    checked = "" if standing is None else standing.checked
    known = checked if intent.known_gateway is None else str(intent.known_gateway)
    return "" not in (word.gateway, known) and word.gateway != known
