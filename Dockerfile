# One image for all services: `nadroute` is the entry point, the service's name its first argument.
#
#   docker build --tag nadroute:0.1.0 .
#
# The base can be replaced by one pinned by digest: --build-arg PYTHON_IMAGE=python:3.12-slim-bookworm@sha256:…
ARG PYTHON_IMAGE=python:3.12-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
RUN apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY pyproject.toml README.md ./
COPY services ./services
COPY scripts/compile.py ./scripts/
# First the wheel, so that what is installed is what the package says, and not the folder. Then everything from
# wheels alone: nothing of others is compiled, so none may come in so unseen. The environment has no pip of its own.
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . \
    && python -m venv --without-pip /opt/nadroute \
    && pip --python /opt/nadroute/bin/python install --no-cache-dir --only-binary=:all: \
        "nadroute[all] @ file://$(ls /wheels/nadroute-*.whl)"
# The engine's hot modules are compiled, with tools that stay behind.
RUN python -m venv /tools \
    && /tools/bin/pip install --no-cache-dir --only-binary=:all: \
        "mypy[mypyc]>=2.4,<3" "nadroute[prober] @ file://$(ls /wheels/nadroute-*.whl)" \
    && /tools/bin/python scripts/compile.py \
        "$(/opt/nadroute/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"

FROM ${PYTHON_IMAGE} AS service
LABEL org.opencontainers.image.title="nadroute" \
      org.opencontainers.image.description="Keeps the route connectivity of every Harvester VM network true and visible"
# Nothing is installed in a running container.
RUN pip uninstall --yes pip
COPY --from=build /opt/nadroute /opt/nadroute
# The root file system is read-only where this runs: what a library wants to keep goes to /tmp.
ENV PATH=/opt/nadroute/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /
# Nobody in particular. The prober alone runs as 0:0, without any capability but NET_RAW: a capability on a file
# would not work under allowPrivilegeEscalation: false.
USER 65532:65532
ENTRYPOINT ["nadroute"]
CMD ["--help"]
