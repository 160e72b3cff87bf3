# make setup   .venv and .venv-serving from the lock files
# make demo    the flights' story on localcloud, into runs/demo
# make test    the tests, on the installed wheel
# make check   ruff, cfn-lint and mypy
# make image   the endpoint's container image
# make toolbox the container image of the pipelines' steps
# make picture docs/report.png, from the report of the last demo, by headless Chromium
# make docs    the documentation site, into build/site
# make test-spark  the test that needs PySpark and a Java, in an environment of its own
# make lock    resolve the lock files again

PYTHON ?= python3
UV_VERSION := 0.13.9
VENV := .venv
SERVING := .venv-serving
BIN := $(VENV)/bin
UV := $(BIN)/uv
OUT ?= runs/demo
CHROMIUM ?= chromium
IMAGE ?= seatrial-$(if $(filter toolbox,$(MAKECMDGOALS)),toolbox,serving):latest
BASE ?= docker.io/library/python:3.11-slim-bookworm
SOURCES := $(shell find src pipelines steps monitoring serving localcloud configs examples infra -name '*.py' -o -name '*.yaml' -o -name py.typed)

# Else every process would compile again what was not compiled in setup.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup demo test test-spark check docs image toolbox picture lock develop clean

setup: $(VENV)/.installed

$(UV):
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14) and "seatrial needs Python 3.11 to 3.13")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

# The serving environment holds what the endpoint's container holds, and nothing more. Of the other's
# 38,000 files those are compiled that an import of the largest libraries needs (30 s of CPU time, not 75).
$(VENV)/.dependencies: requirements.lock requirements-serving.lock | $(UV)
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	$(PYTHON) -m venv --clear --without-pip $(SERVING)
	$(UV) pip install --quiet --python $(SERVING)/bin/python --require-hashes --compile-bytecode -r requirements-serving.lock
	AWS_DEFAULT_REGION=us-east-1 $(BIN)/python -W ignore -c 'import mlflow.sklearn, evidently.presets, great_expectations, moto.server, sagemaker.mlops.workflow.pipeline'
	touch $@

$(VENV)/.installed: $(VENV)/.dependencies setup.py pyproject.toml $(SOURCES)
	rm -rf build dist
	$(UV) build --quiet --wheel --out-dir dist
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --reinstall --compile-bytecode dist/*.whl
	$(UV) pip install --quiet --python $(SERVING)/bin/python --no-deps --reinstall --compile-bytecode dist/*.whl
	touch $@

# Not in .venv: beside PySpark without grpc, Great Expectations ends a `python -c` that imports it.
test-spark: setup
	$(PYTHON) -m venv --clear --without-pip .venv-spark
	$(UV) pip install --quiet --python .venv-spark/bin/python --require-hashes --no-deps -r requirements-spark.lock
	ls -d $(CURDIR)/$(VENV)/lib/python3.*/site-packages > $$(ls -d .venv-spark/lib/python3.*/site-packages)/seatrial.pth
	.venv-spark/bin/python -m pytest -q tests/flow/test_spark.py

demo: setup
	$(BIN)/seatrial demo --out $(OUT)

# Two at a time, a file to each: a file's tests share what they start.
test: setup
	$(BIN)/python -m pytest -n 2 --dist loadfile $(PYTEST_ARGS)

# mypy looks at the package as it is installed, in a copy, since it keeps quiet about site-packages.
check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/cfn-lint infra/foundation.yaml infra/fanout.yaml
	rm -rf build/check && mkdir -p build/check
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --target build/check dist/*.whl
	cd build/check && MYPYPATH=. ../../$(BIN)/mypy --config-file ../../pyproject.toml -p seatrial

docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

# With docker, podman or buildah; docker/README.md says how where no registry can be reached.
image: | $(UV)
	$(BIN)/python docker/build_image.py --base $(BASE) --tag $(IMAGE) $(IMAGE_ARGS)

toolbox: setup
	$(BIN)/python docker/build_toolbox.py --base $(BASE) --tag $(IMAGE) $(IMAGE_ARGS)

# Of the run that was deployed. Without a network: the report needs none.
picture: $(wildcard $(OUT)/executions/*/DeployEndpoint)
	test -n "$<" || { echo "no report of a deployed model in $(OUT): make demo first" >&2; exit 1; }
	$(CHROMIUM) --headless --no-sandbox --disable-gpu --hide-scrollbars --window-size=1000,1115 \
	  --screenshot=$(CURDIR)/docs/report.png file://$(abspath $(<D))/JudgeReadiness/verdict/report.html

lock: | $(UV)
	$(UV) pip compile --quiet --no-header --universal --python-version 3.11 --generate-hashes --extra dev -o requirements.lock setup.py
	$(UV) pip compile --quiet --no-header --universal --python-version 3.11 --generate-hashes -c requirements.lock -o requirements-serving.lock requirements-serving.in
	echo 'pyspark>=3.5,<5' | $(UV) pip compile --quiet --no-header --universal --python-version 3.11 --generate-hashes -c requirements.lock -o requirements-spark.lock -

# An editable install for people; tests in CI run on the wheel.
develop: $(VENV)/.dependencies
	$(UV) pip install --quiet --python $(BIN)/python --no-deps -e . --config-settings editable_mode=strict

clean:
	rm -rf $(VENV) $(SERVING) build dist runs *.egg-info
