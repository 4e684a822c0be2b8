"""Whether a word is better or worse than what stands."""

from services.contract.outcomes import Reason, State
from services.network.parse.intent import Intent
from tests.reference.words import NOT_HEARD, Word

SILENT = (State.UNREACHABLE, State.DHCP_FAILED)
ANSWERING = (State.PARTIAL, State.ISOLATED, State.OFF_VLAN)
ACCUSE_NOBODY = (NOT_HEARD, Reason.INCONCLUSIVE)


def is_better(word: Word, standing: Word | None, intent: Intent) -> bool:
    """Whether it is told at once."""
    answers = word.state is State.ACTIVE or word.state in ANSWERING
    if names_another(word, intent):
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
    # Others can check what DHCP names only when it is written.
    if intent.known_gateway is None:
        return answers and word.gateway not in ("", standing.checked)
    return answers and bool(word.gateway) and word.cidr != str(intent.known_cidr)


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


def names_another(word: Word, intent: Intent) -> bool:
    """Whether another gateway takes the place of the known one, which other hosts may still reach."""
    known = intent.known_gateway
    return bool(word.gateway) and known is not None and word.gateway != str(known)
