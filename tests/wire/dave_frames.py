"""Binary frames of the voice gateway with filler for keys and signatures: right in form, and signed by nobody.

The channel is 127121515262115840, the user 104694319306248192. Runs of one byte are written as a product.
"""

EXTERNAL_SENDER = bytes.fromhex("000119404104" + "10" * 64 + "0001080000000000000000")
APPEND = bytes.fromhex(
    "00021b00406a000100010801c3a058388200000000000000000001020000000000020003000000024046" + "66" * 70
)
REVOKE = bytes.fromhex("00031b012120" + "aa" * 32)
COMMIT = bytes.fromhex(
    "00041d0007000100010801c3a05838820000000000000000000101000000000003220220"
    + "aa" * 32
    + "004046"
    + "77" * 70
    + "20"
    + "88" * 32
    + "20"
    + "99" * 32
)
WELCOME = bytes.fromhex(
    "00051e0007000240b620" + "dd" * 32 + "404104" + "bb" * 64 + "4050" + "cc" * 80 + "4060" + "ee" * 96
)
KEY_PACKAGE = bytes.fromhex(
    "1a00010002404104"
    + "44" * 64
    + "404104"
    + "11" * 64
    + "404104"
    + "22" * 64
    + "0001080173f2edc04010000200010200020000020001010000000000000000ffffffffffffffff004046"
    + "33" * 70
    + "004046"
    + "55" * 70
)
COMMIT_WELCOME = b"\x1c" + COMMIT[5:] + WELCOME[5:]
WRAPPED_KEY_PACKAGE = KEY_PACKAGE[:1] + b"\0\1\0\5" + KEY_PACKAGE[1:]
WRAPPED_WELCOME = WELCOME[:5] + b"\0\1\0\3" + WELCOME[5:]
# Like APPEND, but adding the user of the key package: it takes the place of the leaf, and the list is so much longer.
_ADD = APPEND[6:34] + b"\0\1" + KEY_PACKAGE[1:] + APPEND[40:]
APPEND_ADD = APPEND[:4] + (len(_ADD) | 0x4000).to_bytes(2) + _ADD

FRAMES = {
    "25": EXTERNAL_SENDER,
    "26": KEY_PACKAGE,
    "26 wrapped": WRAPPED_KEY_PACKAGE,
    "27 append": APPEND,
    "27 append add": APPEND_ADD,
    "27 revoke": REVOKE,
    "28": COMMIT_WELCOME,
    "29": COMMIT,
    "30": WELCOME,
    "30 wrapped": WRAPPED_WELCOME,
}


def from_client(frame: bytes) -> bool:
    """Return who sends a frame of these: the client's have no sequence, which begins with a zero here."""
    return frame[0] != 0
