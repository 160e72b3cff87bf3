# The image that the pipelines' steps run in: seatrial with the extra `toolbox`, and a copy of the
# serving environment, whose interpreter measures the candidates.
#
#   make toolbox [BASE=…] [IMAGE=…]
#
# The base is that of serving.Dockerfile; besides, it needs libgomp (LightGBM), or apt to fetch it.
# The context is build/toolbox, which docker/build_toolbox.py fills: the two lists of packages, ours
# as a wheel, and a pip to borrow.
ARG BASE=docker.io/library/python:3.11-slim-bookworm

FROM ${BASE}
RUN python3 -c 'import ctypes; ctypes.CDLL("libgomp.so.1")' \
 || (apt-get update && apt-get install --yes --no-install-recommends libgomp1 \
     && rm -rf /var/lib/apt/lists/*)
ENV PYTHONDONTWRITEBYTECODE=1
RUN python3 -m venv --without-pip /opt/serving && python3 -m venv --without-pip /opt/seatrial
COPY requirements-serving.lock requirements-toolbox.lock /build/
COPY pip /build/pip
# A package index of your own comes in as the secrets pip.conf and pip.pem, as for the serving image.
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    --mount=type=secret,id=pip.pem,target=/run/secrets/pip.pem \
    for name in serving:serving seatrial:toolbox; do \
      PYTHONPATH=/build python3 -m pip --python "/opt/${name%:*}/bin/python3" install \
        --require-hashes --no-deps --only-binary=:all: --no-compile --no-cache-dir \
        --disable-pip-version-check --root-user-action=ignore \
        --requirement "/build/requirements-${name#*:}.lock" || exit 1; \
    done
COPY seatrial-*.whl /build/
RUN for name in serving seatrial; do \
      PYTHONPATH=/build python3 -m pip --python "/opt/$name/bin/python3" install --no-deps \
        --no-index --no-compile --disable-pip-version-check --root-user-action=ignore \
        /build/seatrial-*.whl || exit 1; \
    done \
 && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/serving/lib /opt/seatrial/lib \
 && rm -rf /build
ENV PATH=/opt/seatrial/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONUNBUFFERED=1
# What a step imports, and what it starts, has to be there.
RUN python3 -c 'import lightgbm, mlflow, onnxruntime, sagemaker, seatrial.steps.optimize_model' \
 && /opt/serving/bin/python3 -c 'import seatrial.serving.__main__'
