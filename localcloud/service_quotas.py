"""The Service Quotas API for SageMaker. The memory quota is enforced but, as on AWS, not listed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from seatrial.localcloud.api import AwsError, Handler, NotOurs, Place
from seatrial.localcloud.quotas import Quotas


class ServiceQuotas:
    """The Service Quotas API for SageMaker; other services' quotas are moto's."""

    def __init__(self, place: Place, quotas: Quotas, default: Quotas) -> None:
        self._place = place
        self._applied, self._default = _listed(quotas), _listed(default)

    def handlers(self) -> dict[str, Handler]:
        """The calls that this answers."""
        prefix = "ServiceQuotasV20190624"
        return {
            f"{prefix}.GetServiceQuota": self._getter(self._applied),
            f"{prefix}.GetAWSDefaultServiceQuota": self._getter(self._default),
            f"{prefix}.ListServiceQuotas": self._lister(self._applied),
            f"{prefix}.ListAWSDefaultServiceQuotas": self._lister(self._default),
        }

    def _getter(self, values: dict[str, int]) -> Handler:
        def get(request: dict[str, Any]) -> dict[str, Any]:
            code = request["QuotaCode"]
            if code not in values:
                raise AwsError(
                    "NoSuchResourceException",
                    f"localcloud: no quota {code!r}; it has {', '.join(values)}",
                )
            return {"Quota": self._describe(code, values[code])}

        return _for_sagemaker(get)

    def _lister(self, values: dict[str, int]) -> Handler:
        def list_all(_: dict[str, Any]) -> dict[str, Any]:
            return {"Quotas": [self._describe(code, value) for code, value in values.items()]}

        return _for_sagemaker(list_all)

    def _describe(self, code: str, value: int) -> dict[str, Any]:
        return {
            "ServiceCode": "sagemaker",
            "ServiceName": "Amazon SageMaker",
            "QuotaArn": self._place.arn(f"sagemaker/{code}", service="servicequotas"),
            "QuotaCode": code,
            "QuotaName": _QUOTA_NAMES[code],
            "Value": float(value),
            "Unit": "None",
            "Adjustable": True,
            "GlobalQuota": False,
        }


# Codes from AWS's table of SageMaker's endpoints and quotas.
_QUOTA_NAMES = {
    "L-96300102": "Maximum total concurrency that can be allocated across all serverless endpoints",
    "L-99AD19BF": "Maximum number of serverless endpoints",
}


def _listed(quotas: Quotas) -> dict[str, int]:
    return {"L-96300102": quotas.total_concurrency, "L-99AD19BF": quotas.endpoints}


def _for_sagemaker(handler: Callable[[dict[str, Any]], dict[str, Any]]) -> Handler:
    def answer(request: dict[str, Any]) -> dict[str, Any]:
        if request["ServiceCode"] != "sagemaker":
            raise NotOurs
        return handler(request)

    return answer
