"""Why actions are granted that the flights' story does not use on localcloud.

A reason that is not needed any more fails the test as much as a grant without one.
"""

from __future__ import annotations

from dataclasses import dataclass

PULL = "SageMaker pulls the image with the role; localcloud has none to pull"
PLATFORM = "the role's own pages in SageMaker's documentation list it; localcloud has no use for it"
NEO = "only with optimization.neo, and Neo compiles on AWS only"
PLANNED = (
    "removal, alarms, tags and changes in place, which the story's one deployment does not need"
)
ARMED = "the story's deployment is armed, and none is taken back"
WARM = "only with warm.mode in the configuration"
# What test_granted.py does with these roles.
PLAYED = (PLANNED, ARMED, WARM)
BUILD = "CodeBuild itself, or docker in it, does this"
FIREHOSE = "Firehose's documentation lists it; localcloud writes the object at once"


@dataclass(frozen=True)
class Idle:
    """Actions of the statement `sid` that the role (`*`: one or more of all) has not used."""

    role: str
    sid: str
    actions: str
    reason: str

    def covers(self, role: str, sid: str, action: str) -> bool:
        """Whether this is the reason for that grant."""
        return self.role in ("*", role) and self.sid == sid and action in self.actions.split()


IDLE = (
    Idle("*", "ImageToken", "ecr:GetAuthorizationToken", PULL),
    Idle("*", "Image", "ecr:BatchCheckLayerAvailability", PULL),
    Idle("*", "Image", "ecr:BatchGetImage ecr:GetDownloadUrlForLayer", PULL),
    Idle("*", "JobMetrics", "cloudwatch:PutMetricData", PLATFORM),
    Idle("*", "Log", "logs:DescribeLogStreams", PLATFORM),
    Idle("*", "Log", "logs:CreateLogGroup", "the account's first job makes the group"),
    Idle("*", "Log", "logs:CreateLogStream logs:PutLogEvents", "the step had nothing to print"),
    Idle("measure", "Usage", "sagemaker:DescribeEndpoint", "only with other endpoints about"),
    Idle("measure", "NeoFiles", "s3:GetObject s3:PutObject", NEO),
    Idle("measure", "NeoJobs", "sagemaker:CreateCompilationJob", NEO),
    Idle("measure", "NeoJobs", "sagemaker:DescribeCompilationJob", NEO),
    Idle("measure", "NeoJobs", "sagemaker:StopCompilationJob", NEO),
    Idle("measure", "NeoRole", "iam:PassRole", NEO),
    Idle("neo", "List", "s3:ListBucket", NEO),
    Idle("neo", "Files", "s3:GetObject s3:PutObject", NEO),
    Idle("deploy", "OldAnswers", "s3:DeleteObject", PLANNED),
    Idle("deploy", "Endpoint", "sagemaker:DeleteEndpoint sagemaker:UpdateEndpoint", PLANNED),
    Idle("deploy", "Endpoint", "sagemaker:DeleteEndpointConfig sagemaker:DeleteModel", PLANNED),
    Idle("deploy", "Endpoint", "sagemaker:UpdateEndpointWeightsAndCapacities", PLANNED),
    Idle("deploy", "RecordLog", "logs:DeleteSubscriptionFilter", PLANNED),
    Idle(
        "deploy",
        "RecordStream",
        "firehose:DeleteDeliveryStream",
        PLANNED,
    ),
    Idle(
        "deploy",
        "Alarms",
        "cloudwatch:DeleteAlarms cloudwatch:DescribeAlarms cloudwatch:PutMetricAlarm "
        "cloudwatch:TagResource",
        PLANNED,
    ),
    Idle("deploy", "Schedules", "scheduler:CreateSchedule scheduler:UpdateSchedule", WARM),
    Idle("deploy", "Schedules", "scheduler:DeleteSchedule", WARM),
    Idle("deploy", "SchedulerRole", "iam:PassRole", WARM),
    Idle(
        "deploy",
        "FindScaling",
        "application-autoscaling:DescribeScalingPolicies "
        "application-autoscaling:DescribeScheduledActions",
        WARM,
    ),
    Idle("deploy", "Scaling", "application-autoscaling:DeleteScheduledAction", WARM),
    Idle("*", "Scaling", "application-autoscaling:DeregisterScalableTarget", WARM),
    Idle("*", "Scaling", "application-autoscaling:ListTagsForResource", WARM),
    Idle("*", "Scaling", "application-autoscaling:PutScalingPolicy", WARM),
    Idle("*", "Scaling", "application-autoscaling:PutScheduledAction", WARM),
    Idle("*", "Scaling", "application-autoscaling:RegisterScalableTarget", WARM),
    Idle("*", "Scaling", "application-autoscaling:TagResource", WARM),
    Idle("arm", "FindScaling", "application-autoscaling:DescribeScalableTargets", ARMED),
    Idle("scheduler", "Ping", "sagemaker:InvokeEndpoint", WARM),
    Idle("arm", "Schedule", "scheduler:DeleteSchedule scheduler:UpdateSchedule", ARMED),
    Idle("arm", "TakeBackAlarms", "cloudwatch:DeleteAlarms cloudwatch:DescribeAlarms", ARMED),
    Idle("arm", "TakeBackFiles", "s3:GetObject s3:PutObject", ARMED),
    Idle("arm", "TakeBackHistory", "s3:GetObject s3:PutObject", ARMED),
    Idle("arm", "TakeBack", "sagemaker:DeleteEndpoint sagemaker:DescribeEndpoint", ARMED),
    Idle("arm", "TakeBack", "sagemaker:DescribeEndpointConfig sagemaker:UpdateEndpoint", ARMED),
    Idle("arm", "TakeBack", "sagemaker:UpdateEndpointWeightsAndCapacities", ARMED),
    Idle("monitor", "Ledger", "s3:GetObject", "the windows of the story do not adjoin"),
    Idle("endpoint", "EndpointMetrics", "cloudwatch:PutMetricData", PLATFORM),
    Idle("pipeline", "Jobs", "sagemaker:AddTags", "Pipelines tags its jobs; localcloud does not"),
    Idle("pipeline", "Jobs", "sagemaker:StopProcessingJob", "no execution is stopped"),
    Idle("scheduler", "Undelivered", "sqs:SendMessage", "every schedule's call succeeds"),
    Idle("logs", "Put", "firehose:PutRecord", "Logs may send a lone record"),
    Idle("firehose", "Bucket", "s3:GetBucketLocation s3:ListBucket", FIREHOSE),
    Idle("firehose", "Bucket", "s3:ListBucketMultipartUploads", FIREHOSE),
    Idle("firehose", "Records", "s3:AbortMultipartUpload", FIREHOSE),
    Idle("build", "Log", "logs:CreateLogGroup logs:CreateLogStream logs:PutLogEvents", BUILD),
    Idle(
        "build",
        "Reports",
        "codebuild:BatchPutTestCases codebuild:CreateReport codebuild:CreateReportGroup "
        "codebuild:UpdateReport",
        BUILD,
    ),
    Idle("build", "Pipelines", "sagemaker:CreatePipeline", "the first build makes the pipelines"),
    Idle("build", "Pipelines", "sagemaker:AddTags", "only with tags given to run-pipeline"),
    Idle("build", "RegistryToken", "ecr:GetAuthorizationToken", BUILD),
    Idle(
        "build",
        "Push",
        "ecr:BatchCheckLayerAvailability ecr:BatchGetImage ecr:CompleteLayerUpload "
        "ecr:GetDownloadUrlForLayer ecr:InitiateLayerUpload ecr:PutImage ecr:UploadLayerPart",
        BUILD,
    ),
)


def unexplained(idle: set[tuple[str, str, str]]) -> set[tuple[str, str, str]]:
    """Those of the grants (role, sid, action) that have no reason."""
    return {grant for grant in idle if not any(item.covers(*grant) for item in IDLE)}


def outdated(idle: set[tuple[str, str, str]]) -> list[str]:
    """Reasons for actions that are in use by every role that they speak of."""
    return [
        f"{item.role} {item.sid} {action}"
        for item in IDLE
        for action in item.actions.split()
        if not any(item.covers(*grant) and grant[2] == action for grant in idle)
    ]
