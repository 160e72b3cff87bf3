"""Ask an endpoint from an application: retries, deadlines, large requests. Needs botocore only.

from seatrial.client import InferenceClient

client = InferenceClient("flights")
prediction = client.predict([{"dep_delay": 4.0, "distance": 719}])
prediction.text, prediction.events[0].event_id
"""

from seatrial.client.asynchronous import AsyncInferenceClient
from seatrial.client.exchange import Event, Prediction
from seatrial.client.options import Options
from seatrial.client.retries import Retries
from seatrial.client.synchronous import InferenceClient
from seatrial.errors import DeadlineError, InvocationError

__all__ = [
    "AsyncInferenceClient",
    "DeadlineError",
    "Event",
    "InferenceClient",
    "InvocationError",
    "Options",
    "Prediction",
    "Retries",
]
