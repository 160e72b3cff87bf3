"""What a client needs in its environment to talk to a localcloud."""

from __future__ import annotations

from seatrial.localcloud.api import Place

# Any will do: localcloud checks no signatures.
_KEY = "localcloud"


def client_environment(endpoint_url: str, region: str) -> dict[str, str]:
    """The variables with which boto3, the AWS CLI and others find this cloud and no other."""
    return {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_ACCESS_KEY_ID": _KEY,
        "AWS_SECRET_ACCESS_KEY": _KEY,
        "AWS_SESSION_TOKEN": _KEY,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def sandbox_environment(place: Place) -> dict[str, str]:
    """The same for what runs inside of the cloud, where AWS gives the role's credentials."""
    return client_environment(place.endpoint_url, place.region)
