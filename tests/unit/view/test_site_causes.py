"""How the site's causes are shown."""

from services.contract.causes import AlternativeRecord, CauseRecord
from services.contract.outcomes import Fault, Reason, State
from services.network.causes.kinds import CauseKind
from services.network.causes.texts import CAUSES, describe
from services.network.policy import DEFAULT_POLICY
from services.view.documents import explained_document, site_document
from services.view.explained_network import explain_network
from services.view.rows import rows_of
from services.view.site_causes import cause_of, causes_remarks, left_alone
from tests.support.seen_networks import DOWN, found, network_with_status, view

SILENT = {"node2": Reason.GATEWAY_SILENT_ON_VLAN.value}
PARTIAL = network_with_status(State.PARTIAL, Reason.GATEWAY_SILENT_ON_SOME_HOSTS, hosts=SILENT)
SEEN = view(found("node1"), found("node2", DOWN))
(ROW,) = rows_of([PARTIAL], DEFAULT_POLICY, SEEN)


def cause(*networks: str, kind: str = CauseKind.VLANS_MISSING, **fields: object) -> CauseRecord:
    default: dict[str, object] = {
        "id": "c1",
        "kind": str(kind),
        "subject": "node2: VLAN 100 of extra",
        "since": "2026-11-28T10:00:00Z",
        "networks": networks or ("default/office",),
        "hosts": ("node2",),
        "vlans": (100,),
        "cluster_network": "extra",
    }
    return CauseRecord.model_validate({**default, **fields})


def test_the_first_causes_are_named_above_a_table() -> None:
    """Further ones are counted; one of a single network says nothing that its own line does not."""
    assert causes_remarks([cause()]) == []
    assert causes_remarks([cause("default/office", "default/annex"), cause()]) == [
        "1 cause, 2 networks; `nadroute explain` says more:",
        "  VLAN 100 of extra missing on node2 (2)",
    ]
    many = [cause(f"default/n{n}", "default/shared") for n in range(5)]
    assert causes_remarks(many)[0] == "5 causes, 6 networks; `nadroute explain` says more:"
    assert causes_remarks(many)[-1] == "  and 2 more"


def test_a_long_list_of_vlans_gives_way_to_their_number() -> None:
    """A title is one line; the steps name all."""
    many = cause(vlans=tuple(range(100, 200, 2)))
    assert describe(many).title == "50 VLANs of extra missing on node2"
    assert "100,102,104" in describe(many).steps[0]


def test_every_kind_is_worded() -> None:
    """With what it cannot be told apart from, and with the fault that a host reports."""
    assert set(CAUSES) == set(CauseKind)
    for kind in CauseKind:
        other = AlternativeRecord(kind="GatewayDown", subject="10.0.0.1")
        words = describe(cause(kind=kind, alternatives=(other,), fault=Fault.UPLINK_DOWN))
        assert words.title
        assert words.meaning
        assert "gateway 10.0.0.1" in words.alternatives
        assert words.steps[0].startswith("On node2 (UplinkDown): uplink extra-bo is down")


def test_a_kind_that_is_not_known_refers_to_its_docs() -> None:
    """A newer updater may have found it."""
    words = describe(cause(kind="SwitchDown", subject="sw-rack3"))
    assert (words.title, words.steps) == ("sw-rack3", ())
    assert "docs/causes.md" in words.meaning


def test_what_no_cause_explains_stays_alone() -> None:
    """A network with a problem is listed by itself unless a cause names it."""
    assert left_alone([cause()], [ROW]) == []
    assert left_alone([cause("default/other")], [ROW]) == [ROW]
    document = site_document([cause("default/other")], [ROW])
    assert document["unexplained"] == [{"namespace": "default", "name": "office"}]


def test_explain_names_the_cause_that_other_networks_share() -> None:
    """A cause of one network alone says nothing that its own reason does not."""
    alone = explain_network(PARTIAL, ROW, [], DEFAULT_POLICY, SEEN, cause_of(ROW, [cause()]))
    assert not any("One cause explains" in text for text in alone.meaning)
    shared = cause_of(ROW, [cause("default/other"), cause("default/office", "default/other")])
    told = explain_network(PARTIAL, ROW, [], DEFAULT_POLICY, SEEN, shared)
    assert any(text.startswith("One cause explains it and another network: ") for text in told.meaning)
    document = explained_document(told)
    assert isinstance(document["cause"], dict)
    assert document["cause"]["kind"] == "VlansMissingOnHosts"
