"""The options of a DHCP message (RFC 2132, 3396, 3442).

The input comes from the network, so nothing here raises: malformed options are an IgnoreReason, and the work
for one message is bounded by its size.
"""

from typing import Final

from services.prober.frames.ignore_reasons import IgnoreReason

PAD: Final = 0
SUBNET_MASK: Final = 1
ROUTER: Final = 3
REQUESTED_ADDRESS: Final = 50
LEASE_TIME: Final = 51
OVERLOAD: Final = 52
MESSAGE_TYPE: Final = 53
SERVER_ID: Final = 54
CLIENT_ID: Final = 61
CLASSLESS_ROUTES: Final = 121
END: Final = 255

MAX_OPTIONS: Final = 128
"""Options in one message; real servers send some fifteen."""
_OVERLOAD_FILE: Final = 1
_OVERLOAD_SNAME: Final = 2


Options = dict[int, bytes]
"""Values by code; the parts of a split option are joined (RFC 3396 section 7)."""


def collect(*, options: bytes, file: bytes, sname: bytes) -> Options | IgnoreReason:
    """Return the options of a message, with those in the file and sname fields if option 52 says so.

    The order is that of RFC 3396 section 5: options, file, sname. An overload option inside file or sname
    has no meaning and is ignored.
    """
    found: Options = {}
    left = _walk(options, found, MAX_OPTIONS)
    if isinstance(left, IgnoreReason):
        return left
    if OVERLOAD in found:
        overload = _fixed(found[OVERLOAD], 1)
        if overload is None or not 1 <= overload[0] <= 3:
            return IgnoreReason.DHCP_OPTION_VALUE
        for bit, field in ((_OVERLOAD_FILE, file), (_OVERLOAD_SNAME, sname)):
            if overload[0] & bit:
                left = _walk(field, found, left)
                if isinstance(left, IgnoreReason):
                    return left
    return found


def read_field(field: bytes, *, start: int = 0) -> Options | IgnoreReason:
    """Return the options of one field, from start to its end."""
    found: Options = {}
    left = _walk(field, found, MAX_OPTIONS, start)
    return left if isinstance(left, IgnoreReason) else found


def _walk(field: bytes, found: Options, left: int, at: int = 0) -> int | IgnoreReason:
    """Add the options of one field to found; return how many more are allowed, or why it is malformed."""
    end = len(field)
    while at < end:
        code = field[at]
        if code == PAD:
            at += 1
            continue
        if code == END:
            break
        if at + 2 > end:
            return IgnoreReason.DHCP_OPTION_LENGTH
        value_end = at + 2 + field[at + 1]
        if value_end > end:
            return IgnoreReason.DHCP_OPTION_LENGTH
        if left == 0:
            return IgnoreReason.DHCP_TOO_MANY_OPTIONS
        left -= 1
        value = field[at + 2 : value_end]
        found[code] = found[code] + value if code in found else value
        at = value_end
    return left


def _fixed(value: bytes, size: int) -> bytes | None:
    """Return a value of this size, which may be repeated; None if the size or a repetition differs."""
    if len(value) == size:
        return value
    if value and len(value) % size == 0 and value == value[:size] * (len(value) // size):
        return value[:size]
    return None


def octet(options: Options, code: int) -> int | None:
    """Return the value of a one-octet option; None if it is absent or of another size."""
    value = options.get(code)
    if value is not None and len(value) != 1:
        value = _fixed(value, 1)
    return None if value is None else value[0]


def integer(options: Options, code: int) -> int | None:
    """Return the value of a four-octet option; None if it is absent or of another size."""
    value = options.get(code)
    if value is not None and len(value) != 4:
        value = _fixed(value, 4)
    return None if value is None else int.from_bytes(value, "big")


def addresses(options: Options, code: int) -> tuple[int, ...]:
    """Return a list of addresses; empty if the option is absent or its length is not a multiple of 4."""
    value = options.get(code, b"")
    if len(value) == 4:
        return (int.from_bytes(value, "big"),)
    if len(value) % 4:
        return ()
    return tuple(int.from_bytes(value[at : at + 4], "big") for at in range(0, len(value), 4))


def classless_default(value: bytes) -> tuple[int | None, bool] | None:
    """Return the router of the default route in option 121 (RFC 3442), None without one; and whether another
    route of the option says that this router is on the link.

    None if the value is malformed. A route is: width, significant octets of the destination, router.
    """
    at, end = 0, len(value)
    default: int | None = None
    on_link: list[tuple[int, int]] = []
    if end < 5:
        return None
    while at < end:
        width = value[at]
        router = at + 1 + (width + 7) // 8
        if width > 32 or router + 4 > end:
            return None
        through = int.from_bytes(value[router : router + 4], "big")
        if width == 0:
            if default is None:
                default = through or None
        elif not through:
            # The router 0.0.0.0 means that the destination is on the link.
            destination = int.from_bytes(value[at + 1 : router], "big") << (32 - 8 * (router - at - 1))
            on_link.append((destination, 32 - width))
        at = router + 4
    if default is None:
        return None, False
    return default, any((default ^ destination) >> host_bits == 0 for destination, host_bits in on_link)
