"""An encrypted call as a transcript, with invented keys and signatures: what stands in it is the test's choice."""

from typing import Any

from inspector.model import Event, Plane
from inspector.session.dave import Dave
from inspector.wire.mls import CIPHER_SUITES, reference
from tests.conversation import Conversation, Payload
from tests.fed import fed, in_order
from tests.wire.mls_writer import write, write_body

BOT, ADA, BJORN, CHIOMA = "1180000000000000001", "1180000000000000011", "1180000000000000012", "1180000000000000013"
CHANNEL = "1180000000000000050"
KEY, OTHER_KEY = "04" + "11" * 64, "04" + "22" * 64
SUITE = CIPHER_SUITES[2]


def package(user: str = BOT, number: int = 0, **more: Any) -> dict[str, Any]:
    """Return a user's key package; each `number` is another."""
    basic = {"credential_type": "basic", "identity": user}
    lists = {"versions": ["mls10"], "cipher_suites": [SUITE], "extensions": [], "proposals": [], "credentials": []}
    leaf = {"encryption_key": f"{number:04x}", "signature_key": "02", "credential": basic, "capabilities": lists}
    leaf |= {"leaf_node_source": "key_package", "not_before": 0, "not_after": 1, "extensions": [], "signature": "03"}
    made = {"version": "mls10", "cipher_suite": SUITE, "init_key": "01", "leaf_node": leaf}
    return made | {"extensions": [], "signature": "04"} | more


def package_ref(made: dict[str, Any]) -> str:
    return reference("KeyPackage", write("KeyPackage", made))


def message(epoch: int, **more: Any) -> dict[str, Any]:
    public = {"group_id": CHANNEL, "epoch": epoch, "authenticated_data": "", "signature": "05"}
    return {"version": "mls10", "wire_format": "public_message", "public_message": public | more}


def add(user: str, epoch: int = 1, number: int = 0, **more: Any) -> dict[str, Any]:
    """Return the proposal to add a user."""
    return proposal(epoch, {"proposal_type": "add", "key_package": package(user, number)}, **more)


def remove(leaf: int, epoch: int = 1) -> dict[str, Any]:
    return proposal(epoch, {"proposal_type": "remove", "removed": leaf})


def proposal(epoch: int, body: dict[str, Any], **more: Any) -> dict[str, Any]:
    sender = {"sender_type": "external", "sender_index": 0, "content_type": "proposal", "proposal": body}
    return message(epoch, **(sender | more))


def ref(made: dict[str, Any]) -> str:
    """Return the reference of a proposal."""
    return reference("Proposal", write("MLSMessage", made)[2:])


def commit(epoch: int, *taken: dict[str, Any] | str, leaf: int = 0, signature: str = "06") -> dict[str, Any]:
    """Return the commit by `leaf` of these proposals, which may be references too."""
    refs = [each if isinstance(each, str) else ref(each) for each in taken]
    listed = [{"type": "reference", "reference": each} for each in refs]
    sender = {"sender_type": "member", "leaf_index": leaf, "content_type": "commit", "signature": signature}
    tags = {"confirmation_tag": "07", "membership_tag": "08"}
    return message(epoch, commit={"proposals": listed, "path": None}, **sender, **tags)


class Talk(Conversation):
    """A voice connection on version 8."""

    def __init__(self, *, version: int = 8, connection: int = 1, **more: Any) -> None:
        url = f"wss://invented.discord.media/?v={version}"
        super().__init__(plane=Plane.VOICE, url=url, connection=connection, **more)
        self._seq = b"\0\0" if version >= 8 else b""

    def opens(self, **more: Any) -> "Talk":
        super().opens(**more)
        return self

    def client(self, payload: Payload) -> "Talk":
        super().client(payload)
        return self

    def waits(self, ms: float) -> "Talk":
        super().waits(ms)
        return self

    def binary(self, op: int, d: dict[str, Any], *, from_client: bool = False) -> "Talk":
        self.frame((b"" if from_client else self._seq) + bytes([op]) + write_body(op, d), from_client=from_client)
        return self

    def introduced(self, max_version: int | None = 1, **more: Any) -> "Talk":
        """Rows 1 to 5: open, Hello, Identify, who is there (Ada), Session Description with DAVE."""
        self.opens().server({"op": 8, "d": {"heartbeat_interval": 41250}})
        who = {"server_id": "42", "session_id": "invented", "token": "invented", "user_id": BOT}
        self.client({"op": 0, "d": who | {"max_dave_protocol_version": max_version}})
        self.server({"op": 11, "d": {"user_ids": [ADA]}})
        self.server({"op": 4, "d": {"dave_protocol_version": 1} | more})
        return self

    def comes(self, user: str) -> "Talk":
        self.server({"op": 11, "d": {"user_ids": [user]}})
        return self

    def sender(self, key: str = KEY, credential: str = "basic") -> "Talk":
        shown = {"credential_type": credential, "certificates": []} if credential == "x509" else {}
        return self.binary(
            25, {"signature_key": key, "credential": {"credential_type": credential, "identity": "0"} | shown}
        )

    def package(self, made: dict[str, Any] | None = None, *, wrapped: bool = False) -> "Talk":
        return self.binary(26, {"wrapped": wrapped, "key_package": made or package()}, from_client=True)

    def proposes(self, *made: dict[str, Any]) -> "Talk":
        return self.binary(27, {"operation": "append", "proposals": [{"message": each} for each in made]})

    def revokes(self, *made: dict[str, Any]) -> "Talk":
        return self.binary(27, {"operation": "revoke", "proposal_refs": [ref(each) for each in made]})

    def commits(self, made: dict[str, Any]) -> "Talk":
        return self.binary(28, {"commit": made}, from_client=True)

    def announces(self, transition: int, made: dict[str, Any]) -> "Talk":
        return self.binary(29, {"transition_id": transition, "commit": made})

    def welcomes(self, transition: int, *packages: dict[str, Any], suite: str | int = SUITE) -> "Talk":
        encrypted = {"kem_output": "0a", "ciphertext": "0b"}
        secrets = [{"new_member": package_ref(each), "encrypted_group_secrets": encrypted} for each in packages]
        welcome = {"cipher_suite": suite, "secrets": secrets, "encrypted_group_info": "0c"}
        return self.binary(30, {"transition_id": transition, "wrapped": False, "welcome": welcome})

    def ready(self, transition: Any) -> "Talk":
        self.client({"op": 23, "d": {"transition_id": transition}})
        return self

    def executes(self, transition: Any) -> "Talk":
        self.server({"op": 22, "d": {"transition_id": transition}})
        return self

    def prepares(self, version: int, transition: int) -> "Talk":
        self.server({"op": 21, "d": {"protocol_version": version, "transition_id": transition}})
        return self

    def renews(self, epoch: int | str = 1, version: int = 1) -> "Talk":
        self.server({"op": 24, "d": {"protocol_version": version, "epoch": epoch}})
        return self

    def later(self, ms: float) -> "Talk":
        """Let time pass, and the server say something that matters to nobody."""
        self.waits(ms).server({"op": 18, "d": {}})
        return self

    def beats(self) -> "Talk":
        self.client({"op": 3, "d": {"t": 1, "seq_ack": 1}}).server({"op": 6, "d": {"t": 1}})
        return self


def pair() -> Talk:
    """A group of the bot, which made it, and Ada: rows 1 to 10, in epoch 1 from row 10 on."""
    adds = add(ADA, 0)
    talk = Talk().introduced().sender().package().proposes(adds).commits(commit(0, adds))
    return talk.announces(0, commit(0, adds))


def events_of(*talks: Conversation) -> list[Event]:
    return fed(in_order(*talks)).rows


def state(*talks: Conversation) -> Dave:
    """Return what is known of the last one's encryption."""
    return fed(in_order(*talks)).changed[talks[-1].connection].voice.encryption
