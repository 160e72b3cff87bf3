"""Every error that seatrial raises on purpose.

SeatrialError
├── InputError          a file, an option or a model that cannot be used as given
│   ├── ConfigError     an unknown key or a value out of range in the configuration
│   └── ContractError   a file between two steps that is missing or not of its type
├── CloudError          AWS (or localcloud) answered with an error, or not at all
│   └── InvocationError an endpoint gave no prediction
│       └── DeadlineError   … within the time that it was given
└── DeploymentError     a change was made, failed its verification, and was taken back
"""


class SeatrialError(Exception):
    """Say what happened, the value seen, what is allowed, and the next thing to do."""

    def __init__(self, what: str, *, got: object, allowed: object, do: str) -> None:
        super().__init__(f"{what}: got {got!r}, allowed {allowed}. {do}")
        self.what, self.got, self.allowed, self.do = what, got, allowed, do


class InputError(SeatrialError):
    """A file, an option or a model that cannot be used as given."""


class ConfigError(InputError):
    """An unknown key or a value out of range in the configuration."""


class ContractError(InputError):
    """A file between two steps that is missing or not of its type."""


class CloudError(SeatrialError):
    """AWS (or localcloud) answered with an error, or not at all."""


class InvocationError(CloudError):
    """An endpoint gave no prediction; `spill`: it was busy, and another could be asked at once."""

    def __init__(
        self, what: str, *, code: str, spill: bool, got: object, allowed: object, do: str
    ) -> None:
        super().__init__(what, got=got, allowed=allowed, do=do)
        self.code, self.spill = code, spill


class DeadlineError(InvocationError):
    """No prediction within the time that was given for it."""


class DeploymentError(SeatrialError):
    """A change was made, failed its verification, and was taken back."""
