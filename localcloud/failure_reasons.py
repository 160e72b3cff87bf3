"""What an endpoint's FailureReason says, in the service's texts where public reports quote them."""

from __future__ import annotations


def no_ping(variant_name: str) -> str:
    """No sandbox came to answer /ping: awslabs/llm-hosting-container issue 18 and others."""
    return (
        f"The primary container for production variant {variant_name} did not pass the ping health "
        "check. Please check CloudWatch logs for this endpoint."
    )


def no_model_data(uri: str) -> str:
    """The archive is gone: fraud-detection-using-machine-learning issue 9 of AWS's and others."""
    return (
        f'Failed to download model data for container "container_1" from URL: "{uri}". Please '
        "ensure that there is an object located at the URL and that the role passed to CreateModel "
        "has permissions to download the object."
    )


def bad_model_data(uri: str, variant_name: str, problem: object) -> str:
    """The archive cannot be unpacked."""
    return (
        f"localcloud: the model data at {uri} of production variant {variant_name} cannot be used: "
        f"{problem}"
    )
