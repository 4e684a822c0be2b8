"""Why a received frame is ignored: the label values of nadroute_frames_ignored_total."""

from enum import StrEnum


class IgnoreReason(StrEnum):
    """A closed set: whatever a network sends, no counter gets another key."""

    ETHERTYPE = "ethertype"
    """Neither ARP nor IPv4."""
    UNTAGGED = "untagged"
    """Without a tag, and no answer to anything that was asked."""

    ARP_MALFORMED = "arp_malformed"
    ARP_UNSOLICITED = "arp_unsolicited"
    """An ARP message that answers no open check."""

    ECHO_UNSOLICITED = "echo_unsolicited"
    """Not an ICMP echo reply, or one that answers no open check."""
    ECHO_MISMATCH = "echo_mismatch"
    """An echo reply whose destination, identifier, sequence number or nonce is not that of a request."""

    DHCP_UNSOLICITED = "dhcp_unsolicited"
    """No open exchange on the VLAN has its transaction ID."""
    DHCP_OTHER_CLIENT = "dhcp_other_client"
    """chaddr is not our MAC address."""
    DHCP_NAK = "dhcp_nak"
    """A DHCPNAK in answer to a DHCPDISCOVER."""
    DHCP_NOT_AN_OFFER = "dhcp_not_an_offer"
    """Another message type than DHCPOFFER, DHCPACK and DHCPNAK."""
    DHCP_UNUSABLE_OFFER = "dhcp_unusable_offer"
    """The offered address or the server's address cannot be a host's."""
    DHCP_DATAGRAM = "dhcp_datagram"
    """Not a whole, valid UDP datagram to port 68."""
    DHCP_TOO_SHORT = "dhcp_too_short"
    """Shorter than a BOOTP message."""
    DHCP_TOO_LONG = "dhcp_too_long"
    """Longer than the maximum that option 57 of our messages allows."""
    DHCP_NOT_A_REPLY = "dhcp_not_a_reply"
    """Not a BOOTREPLY for Ethernet."""
    DHCP_NO_COOKIE = "dhcp_no_cookie"
    DHCP_OPTION_LENGTH = "dhcp_option_length"
    """An option extends beyond the field that it is in."""
    DHCP_OPTION_VALUE = "dhcp_option_value"
    """An option's length is not valid for its code."""
    DHCP_TOO_MANY_OPTIONS = "dhcp_too_many_options"
    DHCP_NO_MESSAGE_TYPE = "dhcp_no_message_type"
