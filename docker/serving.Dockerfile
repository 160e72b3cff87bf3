# The endpoint's image: a base with Python, requirements-serving.lock, and our serving code.
#
#   make image [BASE=…] [IMAGE=…]     or     docker build --file docker/serving.Dockerfile .
#
# The base: python3 3.11 to 3.13 of a Linux with glibc and libstdc++; no pip, no apt, no network of
# its own is needed. A package index of your own comes in as the secrets pip.conf and pip.pem, which
# stay out of the image. docker/README.md says more.
ARG BASE=docker.io/library/python:3.11-slim-bookworm

# ---- the packages: changes with the lock file only
FROM ${BASE} AS packages
ENV PYTHONDONTWRITEBYTECODE=1
RUN python3 -m venv --without-pip /opt/seatrial
# build/image/pip is there if `make image` builds: a pip to borrow for a base that has none.
COPY requirements-serving.lock build/imag[e] /build/
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    --mount=type=secret,id=pip.pem,target=/run/secrets/pip.pem \
    if ! python3 -m pip --version; then export PYTHONPATH=/build; fi \
 && python3 -m pip --python /opt/seatrial/bin/python3 install --require-hashes --no-deps \
      --only-binary=:all: --no-compile --no-cache-dir --disable-pip-version-check \
      --root-user-action=ignore --requirement /build/requirements-serving.lock
# At run time nothing can write bytecode, so it comes along: compiling would be three quarters of a
# cold start's CPU time. Unchecked, because whoever unpacks the layers may set other times.
RUN /opt/seatrial/bin/python3 -m compileall -q --invalidation-mode unchecked-hash /opt/seatrial/lib \
 && echo /opt/seatrial/code > "$(echo /opt/seatrial/lib/python3.*/site-packages)/seatrial.pth"
COPY docker/serve /opt/seatrial/bin/serve
# Any user must be able to read it, whatever the umask of the checkout.
RUN chmod -R a+rX,go-w /opt/seatrial && chmod 755 /opt/seatrial/bin/serve

# ---- our code: some 300 KB, in a layer of its own
FROM packages AS code
COPY src/seatrial/__init__.py /opt/seatrial/code/seatrial/__init__.py
COPY serving /opt/seatrial/code/seatrial/serving
RUN /opt/seatrial/bin/python3 -m compileall -q --invalidation-mode unchecked-hash /opt/seatrial/code \
 && chmod -R a+rX,go-w /opt/seatrial/code \
 && /opt/seatrial/bin/python3 -c 'import seatrial.serving.__main__'

# ---- the image
FROM ${BASE}
# Python's own images come without bytecode of the standard library, and with pip.
RUN python3 -m compileall -q --invalidation-mode unchecked-hash \
      -x '/(test|tests|idlelib|lib2to3|ensurepip|site-packages|dist-packages)/' \
      "$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" \
 && rm -rf /usr/local/bin/pip* /usr/local/lib/python3*/site-packages/pip* \
      /usr/local/lib/python3*/ensurepip /usr/bin/pip* /usr/lib/python3/dist-packages/pip* \
      /usr/lib/python3*/ensurepip /usr/share/python-wheels \
 && mkdir -p /opt/ml/model
COPY --from=packages /opt/seatrial /opt/seatrial
COPY --from=code /opt/seatrial/code /opt/seatrial/code
ENV PATH=/opt/seatrial/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
LABEL com.amazonaws.sagemaker.capabilities.accept-bind-to-port=true
EXPOSE 8080
# No name, only a number: no user of the image is meant, and any other number will do as well.
USER 65534:65534
CMD ["serve"]
