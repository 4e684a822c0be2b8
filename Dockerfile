# One image for all services: the entry point is `nadroute`, the first argument the service's name.
#
#   docker build --tag nadroute:0.1.0 .
#
# To pin the base image by digest: --build-arg PYTHON_IMAGE=python:3.12-slim-bookworm@sha256:…
ARG PYTHON_IMAGE=python:3.12-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
RUN apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY services ./services
COPY scripts/compile.py ./scripts/
# Build the wheel first, so that the package's contents are installed and not the folder. Then install everything from
# wheels only, so that no dependency is compiled here. The environment contains no pip.
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . \
    && python -m venv --without-pip /opt/nadroute \
    && pip --python /opt/nadroute/bin/python install --no-cache-dir --only-binary=:all: \
        "nadroute[all] @ file://$(ls /wheels/nadroute-*.whl)"
# Compile the engine's hot modules, with tools that stay in this stage.
RUN python -m venv /tools \
    && /tools/bin/pip install --no-cache-dir --only-binary=:all: \
        "mypy[mypyc]>=2.4,<3" "nadroute[prober] @ file://$(ls /wheels/nadroute-*.whl)" \
    && /tools/bin/python scripts/compile.py \
        "$(/opt/nadroute/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"

FROM ${PYTHON_IMAGE} AS service
LABEL org.opencontainers.image.title="nadroute" \
      org.opencontainers.image.description="Keeps the route connectivity of every Harvester VM network true and visible" \
      org.opencontainers.image.licenses="Apache-2.0"
# A running container installs nothing.
RUN pip uninstall --yes pip
COPY --from=build /opt/nadroute /opt/nadroute
# The root file system is read-only at run time: libraries write to /tmp.
ENV PATH=/opt/nadroute/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /
# An arbitrary unprivileged user. Only the prober runs as 0:0, with NET_RAW as its only capability: a file capability
# would not work under allowPrivilegeEscalation: false.
USER 65532:65532
ENTRYPOINT ["nadroute"]
CMD ["--help"]
