"""Spread requests over several endpoints of one model, by configuration. Needs botocore only.

from seatrial.router import Router, read_settings

router = Router(read_settings("router.json"))
routed = router.predict([[4.0, 719]], route="latency-sensitive")
routed.target, routed.prediction.text
"""

from seatrial.router.metrics import Decision
from seatrial.router.router import Routed, Router
from seatrial.router.settings import Settings, Switch, Target, parse_settings, read_settings

__all__ = [
    "Decision",
    "Routed",
    "Router",
    "Settings",
    "Switch",
    "Target",
    "parse_settings",
    "read_settings",
]
