"""What people are told of a review that they did not ask for."""

from __future__ import annotations

from seatrial.contracts.review import Review
from seatrial.monitoring.messages import MAX_SUBJECT, Message
from seatrial.review.change import change_yaml


def letter(review: Review, review_uri: str) -> Message:
    """What should change and why, what could not be told, and how to carry it out."""
    topics = ", ".join(item.topic for item in review.to_do)
    unknown = [item for item in review.advice if not item.known]
    change = change_yaml(review)
    plan = f"Its plan: seatrial deploy --review {review_uri} --dry-run"
    text = "\n".join(
        [
            f"The endpoint {review.endpoint_name} ({review.memory_size_mb} MB, "
            f"{review.max_concurrency} at once) should change, by its last {review.days} days:",
            "",
            *(f"- {item.topic}: {item.detail}." for item in review.to_do),
            *(f"- {item.topic} is unknown: {item.detail}." for item in unknown),
            "",
            *(["The change of the configuration:", change, plan] if change else []),
            "The endpoint was not changed.",
            f"More: {review_uri}",
        ]
    )
    subject = f"seatrial review: {review.endpoint_name}: {topics}"
    return Message(subject[:MAX_SUBJECT], text)
