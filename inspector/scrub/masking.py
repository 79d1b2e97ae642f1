"""What becomes of a recording whose secrets are masked, also inside compressed streams, where a recorder cannot."""

from inspector.model import Closed, Control, Frame, Opened, Payload, StartLimit, Undecoded
from inspector.protocol.registry import Registry
from inspector.scrub.recoding import Changes, unreadable
from inspector.session.redact import Redactor
from inspector.store.marking import Mask
from inspector.wire.decoder import Decoder


class Masking(Changes):
    """Masks secrets as a recorder masks them, and nothing else."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._redactor = Redactor(registry)
        self._mask = Mask(registry)

    def opened(self, opened: Opened) -> Opened:
        masked = self._mask(opened)
        assert isinstance(masked, Opened)
        return masked

    def control(self, control: Control) -> Control:
        masked = self._mask(control)
        assert isinstance(masked, Control)
        return masked

    def closed(self, closed: Closed) -> Closed:
        masked = self._mask(closed)
        assert isinstance(masked, Closed)
        return masked

    def limit(self, limit: StartLimit) -> StartLimit:
        return limit

    def alone(self, frame: Frame, what: Payload | Undecoded | None, opened: Opened, decoder: Decoder) -> Frame:
        masked = self._mask(frame)
        assert isinstance(masked, Frame)
        return masked

    def payload(self, payload: Payload, opened: Opened, decoder: Decoder) -> bytes:
        name = payload.event or self._registry.name(opened.plane, payload.op)
        said = {"d": payload.d, **payload.extra}
        masked = self._redactor.mask_bytes(opened.plane, name, payload.encoding, payload.data, said)
        return masked if masked.strip(b"*") else unreadable(Undecoded("withheld", ""), len(payload.data))
